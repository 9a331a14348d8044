"""Conformance as data: reads tests/conformance/cases, asks servers, compares, reports. See tests/conformance/README.md."""
