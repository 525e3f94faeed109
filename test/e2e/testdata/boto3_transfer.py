"""Disks into a bucket, and out of it as snapshots and images:
boto3_transfer.py ENDPOINT BUCKET import KIND FILE..., which prints what each became, or
boto3_transfer.py ENDPOINT BUCKET export IMAGE FOLDER, which leaves IMAGE in FOLDER in each format, or
boto3_transfer.py ENDPOINT BUCKET refuse FILE..., which prints why each was refused, as both kinds.
"""

import os
import sys
import time

import boto3
from botocore.config import Config

endpoint, bucket, what = sys.argv[1:4]
rest = sys.argv[4:]
config = Config(retries={"max_attempts": 0}, connect_timeout=10, read_timeout=60)
ec2 = boto3.client("ec2", endpoint_url=endpoint, config=config)
s3 = boto3.client("s3", endpoint_url=endpoint, config=config)


def task(kind, task_id):
    """The state of a task, and the answer that has it."""
    if kind == "snapshot":
        found = ec2.describe_import_snapshot_tasks(ImportTaskIds=[task_id])["ImportSnapshotTasks"][0]["SnapshotTaskDetail"]
    elif kind == "image":
        found = ec2.describe_import_image_tasks(ImportTaskIds=[task_id])["ImportImageTasks"][0]
    else:
        found = ec2.describe_export_image_tasks(ExportImageTaskIds=[task_id])["ExportImageTasks"][0]
    return found["Status"], found


def ended(kind, task_id, within=300):
    deadline = time.monotonic() + within
    while True:
        state, found = task(kind, task_id)
        if state in ("completed", "deleted"):
            return found
        assert state in ("active", "deleting"), found
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


def begin(kind, path):
    key = "disks/" + os.path.basename(path)
    s3.upload_file(path, bucket, key)
    if kind == "snapshot":
        return ec2.import_snapshot(DiskContainer={"UserBucket": {"S3Bucket": bucket, "S3Key": key}})["ImportTaskId"]
    return ec2.import_image(DiskContainers=[{"Url": "s3://" + bucket + "/" + key}])["ImportTaskId"]


if bucket not in [b["Name"] for b in s3.list_buckets()["Buckets"]]:
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-paris-1"})
if what == "import":
    kind, files = rest[0], rest[1:]
    for task_id in [begin(kind, f) for f in files]:
        found = ended(kind, task_id)
        assert found["Status"] == "completed", found
        print(found["SnapshotId" if kind == "snapshot" else "ImageId"])
elif what == "export":
    image, folder = rest
    tasks = {}
    for form in ("RAW", "VMDK", "VHD"):
        tasks[form] = ec2.export_image(ImageId=image, DiskImageFormat=form, S3ExportLocation={"S3Bucket": bucket, "S3Prefix": "out/"})["ExportImageTaskId"]
    for form, task_id in tasks.items():
        found = ended("export", task_id)
        assert found["Status"] == "completed", found
        s3.download_file(bucket, "out/" + task_id + "." + form.lower(), os.path.join(folder, form.lower()))
else:
    for kind in ("snapshot", "image"):
        for f in rest:
            found = ended(kind, begin(kind, f))
            assert found["Status"] == "deleted" and "SnapshotId" not in found and "ImageId" not in found, found
            print(found["StatusMessage"])
