"""Reads a snapshot block by block and makes another of the blocks, locks snapshots, and throws
them away.

Usage: blocks.py ENDPOINT FIRST SECOND, where the two snapshots are of one volume, SECOND
with more blocks. Prints the ID of the snapshot made of the blocks of SECOND.
"""

import base64
import hashlib
import sys
import time
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, FIRST, SECOND = sys.argv[1:4]
config = Config(retries={"max_attempts": 0}, connect_timeout=30, read_timeout=120)
ebs, ec2, rbin = (boto3.client(name, endpoint_url=ENDPOINT, config=config) for name in ("ebs", "ec2", "rbin"))
BLOCK = 512 * 1024


def eventually(check, within=180):
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            raise AssertionError("not within %d s" % within)
        time.sleep(0.5)


def state(snapshot):
    found = ec2.describe_snapshots(SnapshotIds=[snapshot])["Snapshots"][0]
    return found["State"], found.get("StateMessage", "")


def blocks():
    found, token = [], None
    while True:
        page = ebs.list_snapshot_blocks(SnapshotId=SECOND, MaxResults=100, **({"NextToken": token} if token else {}))
        found += page["Blocks"]
        token = page.get("NextToken")
        if not token:
            return found


def read(snapshot, index, token):
    answer = ebs.get_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockToken=token)
    data = answer["BlockData"].read()
    assert len(data) == BLOCK == answer["DataLength"] and answer["Checksum"] == base64.b64encode(hashlib.sha256(data).digest()).decode()
    return data


def put(snapshot, index, data):
    sums = base64.b64encode(hashlib.sha256(data).digest()).decode()
    ebs.put_snapshot_block(SnapshotId=snapshot, BlockIndex=index, BlockData=data, DataLength=BLOCK, Checksum=sums, ChecksumAlgorithm="SHA256")


class Blocks(unittest.TestCase):
    def refused(self, code, call, **parameters):
        with self.assertRaises(ClientError) as refusal:
            call(**parameters)
        self.assertEqual(refusal.exception.response["Error"]["Code"], code, refusal.exception)

    def test_1_copy(self):
        changed = ebs.list_changed_blocks(FirstSnapshotId=FIRST, SecondSnapshotId=SECOND)["ChangedBlocks"]
        self.assertEqual([c["BlockIndex"] for c in changed], [100, 200])
        self.assertTrue("FirstBlockToken" in changed[0] and "FirstBlockToken" not in changed[1])
        self.assertNotEqual(read(FIRST, 100, changed[0]["FirstBlockToken"]), read(SECOND, 100, changed[0]["SecondBlockToken"]))
        made = ebs.start_snapshot(VolumeSize=1, Description="blocks", Tags=[{"Key": "made", "Value": "by hand"}])
        self.assertEqual((made["Status"], made["BlockSize"]), ("pending", BLOCK))
        sums = b""
        found = blocks()
        for block in found:
            data = read(SECOND, block["BlockIndex"], block["BlockToken"])
            put(made["SnapshotId"], block["BlockIndex"], data)
            sums += hashlib.sha256(data).digest()
        ebs.complete_snapshot(
            SnapshotId=made["SnapshotId"], ChangedBlocksCount=len(found), ChecksumAlgorithm="SHA256", ChecksumAggregationMethod="LINEAR",
            Checksum=base64.b64encode(hashlib.sha256(sums).digest()).decode())
        eventually(lambda: state(made["SnapshotId"])[0] != "pending")
        self.assertEqual(state(made["SnapshotId"]), ("completed", ""))
        print(made["SnapshotId"], flush=True)

    def test_2_wrong(self):
        made = ebs.start_snapshot(VolumeSize=1)["SnapshotId"]
        put(made, 0, b"x" * BLOCK)
        ebs.complete_snapshot(SnapshotId=made, ChangedBlocksCount=2)
        eventually(lambda: state(made)[0] == "error")
        self.assertIn("1 blocks were written, not 2", state(made)[1])
        self.refused("ValidationException", ebs.list_snapshot_blocks, SnapshotId=made)
        self.refused("ResourceNotFoundException", ebs.list_snapshot_blocks, SnapshotId="snap-00000000000000000")
        ec2.delete_snapshot(SnapshotId=made)

    def test_3_lock(self):
        lock = ec2.lock_snapshot(SnapshotId=FIRST, LockMode="governance", LockDuration=1)
        self.assertEqual(lock["LockState"], "governance")
        self.assertEqual([s["SnapshotId"] for s in ec2.describe_locked_snapshots()["Snapshots"]], [FIRST])
        self.refused("SnapshotLocked", ec2.delete_snapshot, SnapshotId=FIRST)
        ec2.unlock_snapshot(SnapshotId=FIRST)

    def test_4_bin(self):
        rule = rbin.create_rule(ResourceType="EBS_SNAPSHOT", RetentionPeriod={"RetentionPeriodValue": 1, "RetentionPeriodUnit": "DAYS"})
        ec2.delete_snapshot(SnapshotId=FIRST)
        self.refused("InvalidSnapshot.NotFound", ec2.describe_snapshots, SnapshotIds=[FIRST])
        self.assertEqual([s["SnapshotId"] for s in ec2.list_snapshots_in_recycle_bin()["Snapshots"]], [FIRST])
        self.assertEqual(ec2.restore_snapshot_from_recycle_bin(SnapshotId=FIRST)["State"], "completed")
        rbin.tag_resource(ResourceArn=rule["RuleArn"], Tags=[{"Key": "k", "Value": "v"}])
        self.assertEqual(rbin.list_tags_for_resource(ResourceArn=rule["RuleArn"])["Tags"], [{"Key": "k", "Value": "v"}])
        rbin.delete_rule(Identifier=rule["Identifier"])
        self.assertEqual(rbin.list_rules(ResourceType="EBS_SNAPSHOT")["Rules"], [])
        ec2.delete_snapshot(SnapshotId=FIRST)
        self.assertEqual(ec2.list_snapshots_in_recycle_bin()["Snapshots"], [])


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
