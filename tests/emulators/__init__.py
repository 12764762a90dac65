"""An HR system and a Microsoft Graph, over real HTTP on loopback, for tests, the demo and a laptop.

They enforce the published contracts and know nothing of the client: what they do not know, they refuse.
"""
