"""Where on a course a scene is: laps linked to telemetry, scenes placed on them."""
