"""From depth to what can be said: clouds, depth intervals, layers, orders in four views."""
