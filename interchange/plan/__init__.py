"""From a marked place to exact requests: directive, timeline, media facts and engine limits in, no I/O.

values      what goes in and comes out
coverage    which record frames each verb covers, and which clips it reads
sources     where those frames are in the media
picture     what the take's file looks like
spans       what may be read: sources with their context, and the shots beside
specs       what only one job kind needs
naming      what the shot is called
planner     puts them together
describe    a plan in timeline and source timecode, for people
"""

from interchange.plan.coverage import place_of
from interchange.plan.describe import TakeText, describe_take
from interchange.plan.planner import plan_reading, plan_segment
from interchange.plan.values import FactsOf, Plan, PlannedTake, PlanOptions

__all__ = [
    "FactsOf",
    "Plan",
    "PlanOptions",
    "PlannedTake",
    "TakeText",
    "describe_take",
    "place_of",
    "plan_reading",
    "plan_segment",
]
