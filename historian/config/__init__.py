"""Configuration: ``historian.toml`` and tag lists in CSV, read once into frozen objects, all faults told together."""
