"""Runs `hcp-dr` as `python -m hcp_dr`."""

from __future__ import annotations

from hcp_dr.cli import main

if __name__ == "__main__":
    main()
