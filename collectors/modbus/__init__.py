"""Modbus TCP: addresses to requests (plan), requests to answers (connection), answers to values (decode)."""
