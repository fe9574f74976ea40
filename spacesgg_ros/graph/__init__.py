"""Scene graphs in plain numpy: text codec, depth lifting, relations, tracking, queries."""
