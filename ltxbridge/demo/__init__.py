"""A small project to try ltxbridge on: three moving shots and a marked timeline."""

from ltxbridge.demo.project import write_demo_project

__all__ = ["write_demo_project"]
