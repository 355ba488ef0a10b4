"""Kafka, Redis and Triton of the local stack: how each is fetched, set up, started and asked whether it is well."""
