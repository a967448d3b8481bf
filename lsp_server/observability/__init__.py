"""Metrics for Prometheus, and traces for OpenTelemetry; imported only where wanted."""
