"""What schemathesis cannot know from the document: which clinic its token belongs to, and the time.

A body of another clinic is refused (401), and so is a stale time stamp, so that nearly everything that is made up would be. What is
made up badly stays bad, and some of what is made up well stays as it is, so that these rules are met, too.
"""

import itertools
import random
import re
import time

import schemathesis

CLINIC = "clinic_abc"
NUMBERS = itertools.count()


def is_clinic_id(value):
    return isinstance(value, str) and 0 < len(value) <= 100 and value.strip() != "" and "\0" not in value


@schemathesis.hook
def before_call(context, case, kwargs):
    body = case.body
    if isinstance(body, dict) and is_clinic_id(body.get("clinic_id")) and random.random() < 0.95:
        body["clinic_id"] = CLINIC
        records = body.get("records")
        for record in records if isinstance(records, list) else []:
            if isinstance(record, dict) and isinstance(record.get("data"), dict):
                record["data"]["clinic_id"] = CLINIC
    headers = case.headers
    if headers is None:
        return
    if re.fullmatch("[0-9]{1,12}", headers.get("X-CareQ-Timestamp") or "") and random.random() < 0.95:
        headers["X-CareQ-Timestamp"] = str(int(time.time()))
    # Failures are counted by address, and slowed down: each request comes from an address of its own.
    number = next(NUMBERS)
    headers["X-Forwarded-For"] = f"2001:db8:{number >> 16:x}:{number & 0xffff:x}::1"
