"""Real servers for tests and measurements, each started on loopback and stopped by its pid."""
