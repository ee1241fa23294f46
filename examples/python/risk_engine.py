"""A risk engine in small: reads id.session.anomaly and says, a line of JSON each, what it does.

It knows nothing of Vigie but docs/anomalies.md: Kafka, the registry, Avro. Cases are kept in memory,
so that it stays short; a real engine stores them in the same step as the offsets.

Environment: KAFKA_BROKERS, SCHEMA_REGISTRY_URL, ANOMALY_TOPIC, GROUP_ID.
"""

import io
import json
import os
import struct
import sys
import urllib.error
import urllib.request

from confluent_kafka import Consumer, KafkaError, KafkaException
from fastavro import parse_schema, schemaless_reader

# What an engine does about an action of a policy. Vigie has done its own part when the record is
# read: it asks for the second factor and revokes sessions itself. Actions may come that are not here.
RESPONSES = {
    "LOG_ONLY": "noted",
    "STEP_UP": "watched",
    "REVOKE": "case_opened",
    "BLOCK": "case_opened",
}
# Somebody should look at these at once, whatever is done about them by itself.
URGENT_SEVERITIES = {"HIGH", "CRITICAL"}


class Undecodable(Exception):
    """Not a value of this topic; it will not become one by waiting."""


class Registry:
    """Schemas by id. An id means one schema for ever, so each is fetched once."""

    def __init__(self, url):
        self.url = url.rstrip("/")
        self.schemas = {}

    def schema(self, schema_id):
        if schema_id not in self.schemas:
            try:
                with urllib.request.urlopen(f"{self.url}/schemas/ids/{schema_id}", timeout=10) as answer:
                    text = json.load(answer)["schema"]
            except urllib.error.HTTPError as error:
                if error.code == 404:
                    raise Undecodable(f"schema {schema_id} is not registered") from error
                raise
            self.schemas[schema_id] = parse_schema(json.loads(text))
        return self.schemas[schema_id]


def decode(value, registry):
    """Confluent's wire format: a zero byte, the schema's id in four bytes, big endian, then Avro."""
    if value is None or len(value) < 5 or value[0] != 0:
        raise Undecodable("not in Confluent's wire format")
    (schema_id,) = struct.unpack(">I", value[1:5])
    schema = registry.schema(schema_id)
    try:
        return schemaless_reader(io.BytesIO(value[5:]), schema)
    except (EOFError, IndexError, KeyError, ValueError, TypeError) as error:
        raise Undecodable(f"not of schema {schema_id}") from error


class Cases:
    """What is held against each user. A record that comes twice changes nothing."""

    def __init__(self):
        self.open = {}
        self.withdrawn = set()

    def take(self, anomaly):
        """Returns what was done: noted, watched, case_opened, studied, withdrawn or known."""
        user = (anomaly["tenant_id"], anomaly["user_id"])
        cases = self.open.setdefault(user, {})
        # A retraction counts for its ids and times alone. It lowers the risk and revives nothing.
        if anomaly["retracts"] is not None:
            self.withdrawn.add((user, anomaly["retracts"]))
            return "withdrawn" if cases.pop(anomaly["retracts"], None) is not None else "known"
        # SHADOW, or a mode of a later version: computed for study, never acted on.
        if anomaly["mode"] != "ENFORCE":
            return "studied"
        if anomaly["anomaly_id"] in cases or (user, anomaly["anomaly_id"]) in self.withdrawn:
            return "known"
        cases[anomaly["anomaly_id"]] = anomaly["risk_score"]
        return RESPONSES.get(anomaly["action"], "noted")

    def risk(self, anomaly):
        """The highest risk that is held against the user, 0..100."""
        return max(self.open.get((anomaly["tenant_id"], anomaly["user_id"]), {}).values(), default=0)


def handle(value, registry, cases):
    anomaly = decode(value, registry)
    done = cases.take(anomaly)
    acted = done in RESPONSES.values()
    return {
        "anomaly_id": anomaly["anomaly_id"],
        "user": f"{anomaly['tenant_id']}|{anomaly['user_id']}",
        "session_id": anomaly["session_id"],
        "kind": anomaly["kind"],  # One that is not known here is treated as any other.
        "done": done,
        "page_somebody": acted and anomaly["severity"] in URGENT_SEVERITIES,
        "user_risk": cases.risk(anomaly),
        "why": anomaly["explanation"],
    }


def run(until_end):
    """Reads for ever; `until_end`: until the end of every partition."""
    registry = Registry(os.environ.get("SCHEMA_REGISTRY_URL", "http://127.0.0.1:8081/apis/ccompat/v7"))
    cases = Cases()
    consumer = Consumer(
        {
            "bootstrap.servers": os.environ.get("KAFKA_BROKERS", "127.0.0.1:9092"),
            "group.id": os.environ.get("GROUP_ID", "example-risk-engine"),
            # What a transaction of Vigie's wrote and then gave up is never seen.
            "isolation.level": "read_committed",
            "auto.offset.reset": "earliest",
            # An offset is committed after what its record brought about.
            "enable.auto.commit": False,
            "enable.partition.eof": until_end,
        }
    )
    topic = os.environ.get("ANOMALY_TOPIC", "id.session.anomaly")
    partitions = len(consumer.list_topics(topic, timeout=10).topics[topic].partitions)
    consumer.subscribe([topic])
    ended = set()
    try:
        while not (until_end and len(ended) == partitions):
            message = consumer.poll(1.0)
            if message is None:
                continue
            if message.error():
                if message.error().code() != KafkaError._PARTITION_EOF:
                    raise KafkaException(message.error())
                ended.add(message.partition())
                continue
            try:
                print(json.dumps(handle(message.value(), registry, cases)), flush=True)
            except Undecodable as error:
                place = f"{message.topic()}[{message.partition()}]@{message.offset()}"
                print(f"left out: {place}: {error}", file=sys.stderr, flush=True)
            consumer.commit(message, asynchronous=False)
    except KeyboardInterrupt:
        pass
    finally:
        consumer.close()


if __name__ == "__main__":
    run(until_end="--until-end" in sys.argv[1:])
