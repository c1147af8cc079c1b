"""A scenario: a decision on paper, with every input that it rests on.

A file (TOML or JSON) says what is to be served, which candidates there are, on what terms, where, and how far each
number may be off. :func:`write_template` writes one with every key explained, :func:`read_scenario` reads it and names
every mistake at once, :func:`json_schema` describes it to editors.
"""

from __future__ import annotations

from tco.scenario.model import (
    ApplicationEntry,
    Candidate,
    Correlation,
    Decision,
    FleetLimits,
    Range,
    Scenario,
)
from tco.scenario.reading import ScenarioError, read_scenario
from tco.scenario.schema import json_schema
from tco.scenario.template import scenario_template, write_template

__all__ = [
    "ApplicationEntry",
    "Candidate",
    "Correlation",
    "Decision",
    "FleetLimits",
    "Range",
    "Scenario",
    "ScenarioError",
    "json_schema",
    "read_scenario",
    "scenario_template",
    "write_template",
]
