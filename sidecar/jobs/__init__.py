"""The durable queue, and the order of the stages a job goes through."""
