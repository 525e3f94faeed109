"""Moves a tree of files up and down with boto3's transfer manager, in parts, with each
checksum that this boto3 computes; and a part by hand."""
import os
import sys

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

endpoint, bucket, tree = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
parts = TransferConfig(multipart_threshold=6 << 20, multipart_chunksize=5 << 20, max_concurrency=3)
for algorithm in [None, "CRC32", "SHA1", "SHA256"]:
    extra = {"ChecksumAlgorithm": algorithm} if algorithm else {}
    for folder, _, names in os.walk(tree):
        for name in names:
            path = os.path.join(folder, name)
            key = f"{algorithm}/{os.path.relpath(path, tree)}"
            s3.upload_file(path, bucket, key, ExtraArgs={**extra, "Metadata": {"Name": "Grüße".encode().hex()}}, Config=parts)
            head = s3.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
            if algorithm:
                assert "Checksum" + algorithm in head, (key, head)
            assert head["Metadata"] == {"name": "Grüße".encode().hex()}, head
            s3.download_file(bucket, key, "down", Config=parts)
            with open(path, "rb") as a, open("down", "rb") as b:
                assert a.read() == b.read(), key
            s3.copy({"Bucket": bucket, "Key": key}, bucket, "copy of " + key, Config=parts)
            assert s3.head_object(Bucket=bucket, Key="copy of " + key)["ContentLength"] == head["ContentLength"], key

keys = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, PaginationConfig={"PageSize": 3}) for o in page["Contents"]]
assert keys == sorted(keys, key=lambda k: k.encode()) and len(keys) == len(set(keys)) == 4 * 2 * 6, keys

upload = s3.create_multipart_upload(Bucket=bucket, Key="by hand")["UploadId"]
s3.upload_part(Bucket=bucket, Key="by hand", UploadId=upload, PartNumber=1, Body=b"one")
try:
    s3.upload_part(Bucket=bucket, Key="by hand", UploadId=upload, PartNumber=10001, Body=b"one")
    raise AssertionError("part 10001 was taken")
except ClientError as e:
    assert e.response["Error"]["Code"] == "InvalidArgument", e.response
s3.abort_multipart_upload(Bucket=bucket, Key="by hand", UploadId=upload)
deleted = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": k} for k in keys]})
assert len(deleted["Deleted"]) == len(keys) and "Errors" not in deleted, deleted
assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
s3.delete_bucket(Bucket=bucket)
