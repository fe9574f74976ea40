"""Rendered RGB-D tabletop scenes with exact ground truth.

``assets`` reads furniture models, ``layout`` samples a scene, ``physics`` lets it settle,
``renderer`` draws colour, metric depth and instance ids in one pass, ``truth`` derives boxes
and relations, ``dataset`` writes shards. Needs the extra ``scenes``.
"""
