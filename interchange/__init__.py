"""Vocabulary and documents: time, segments, requests, timeline formats. No torch, av, grpc or protobuf."""
