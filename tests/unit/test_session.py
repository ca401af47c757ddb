"""What a session does to the documents and their readers."""

import pytest
from event_model import DocumentNames, compose_run, schema_validators
from jsonschema import ValidationError

from xsn_acq.errors import ConfigError
from xsn_acq.session import check_pages_by_column, harmless, plan_parameters


@pytest.fixture
def page():
    bundle = compose_run()
    keys = {"a": {"source": "x", "dtype": "number", "shape": []}}
    stream = bundle.compose_descriptor(name="ledger", data_keys=keys)
    return stream.compose_event_page(data={"a": [1.0, 2.0]}, timestamps={"a": [0.0, 0.0]}, seq_num=[1, 2])


def test_pages_are_still_refused_for_what_the_schema_asks(page, monkeypatch):
    monkeypatch.setitem(
        schema_validators, DocumentNames.event_page, schema_validators[DocumentNames.event_page]
    )
    check_pages_by_column()
    checker = schema_validators[DocumentNames.event_page]
    checker.validate(page)
    for wrong in (
        {**page, "data": {"a": 1.0}},
        {**page, "seq_num": ["1", "2"]},
        {**page, "colour": "red"},
        {key: value for key, value in page.items() if key != "uid"},
    ):
        with pytest.raises(ValidationError):
            checker.validate(wrong)


def test_a_subscriber_that_fails_is_left_out_and_never_stops_a_run(caplog):
    calls = []

    def broken(name, doc):
        calls.append(name)
        raise RuntimeError("the progress bar fell over")

    guarded = harmless(broken)
    guarded("start", {})
    guarded("stop", {})
    assert calls == ["start"]
    assert "left out" in caplog.text


def test_an_unknown_plan_is_named_with_those_there_are(tmp_path):
    with pytest.raises(ConfigError, match=r"no such plan; there are .*xsn_tomography"):
        plan_parameters("xsn_tomografy", tmp_path / "any.yaml")
