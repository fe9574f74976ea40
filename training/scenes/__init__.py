"""Rendered RGB-D tabletops and rooms with exact ground truth.

``assets`` reads furniture models (which ones: ``labels.yaml``, as a table: ``label_map``),
``layout`` and ``rooms`` sample a ``scene``, ``physics`` lets a tabletop settle, ``renderer`` draws
colour, metric depth and instance ids in one pass, ``truth`` derives boxes and relations,
``dataset`` writes shards, ``sheet`` pictures them. Needs the extra ``scenes``.
"""
