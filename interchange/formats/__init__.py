"""Timeline formats, one module each: read marks, patch takes in by byte splices; never convert."""
