"""Who is told: alerts, measurements, and the one outcome of each revision."""
