"""The sidecar: holds the engines, the job queue and the media path. Front doors talk to it over gRPC."""
