"""Pulls images on the destination's nodes before the fence."""
