"""The ways to objects beside signed requests: boto3_doors.py ENDPOINT."""

import json
import sys
import urllib.error
import urllib.request
import uuid

import boto3
import botocore
import botocore.config
import botocore.exceptions

endpoint = sys.argv[1]
once = {"total_max_attempts": 1}
s3 = boto3.client("s3", endpoint_url=endpoint, config=botocore.config.Config(retries=once, signature_version="s3v4", s3={"addressing_style": "path"}))
anybody = boto3.client("s3", endpoint_url=endpoint, config=botocore.config.Config(retries=once, signature_version=botocore.UNSIGNED))
bucket = "doors-" + uuid.uuid4().hex[:12]


def refused(code, call, **parameters):
    try:
        call(**parameters)
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code, f"want {code}, got {e}"
        return
    raise AssertionError(f"{call} was not refused with {code}")


class Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def ask(method, path, host=None, body=None, **headers):
    """Sends a request as browsers do; returns status, headers and body."""
    request = urllib.request.Request(endpoint + path, method=method, data=body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    if host:
        request.add_header("Host", host)
    try:
        answer = urllib.request.build_opener(Stay).open(request)
    except urllib.error.HTTPError as e:
        answer = e
    return answer.status, answer.headers, answer.read().decode()


def form(fields, name, content):
    edge = uuid.uuid4().hex
    parts = [f'--{edge}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n' for k, v in fields.items()]
    parts.append(f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n{content}\r\n--{edge}--\r\n')
    return dict(body="".join(parts).encode(), Content_Type=f"multipart/form-data; boundary={edge}")


s3.create_bucket(Bucket=bucket, ObjectOwnership="ObjectWriter", CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
s3.put_object(Bucket=bucket, Key="index.html", Body=b"home", ContentType="text/html")

# Nobody reads before the owner says so, by an ACL or by a policy.
refused("AccessDenied", anybody.get_object, Bucket=bucket, Key="index.html")
refused("AccessDenied", s3.put_object_acl, Bucket=bucket, Key="index.html", ACL="public-read")
s3.delete_public_access_block(Bucket=bucket)
s3.put_object_acl(Bucket=bucket, Key="index.html", ACL="public-read")
assert anybody.get_object(Bucket=bucket, Key="index.html")["Body"].read() == b"home"
grants = s3.get_object_acl(Bucket=bucket, Key="index.html")["Grants"]
assert [g["Permission"] for g in grants] == ["FULL_CONTROL", "READ"], grants
s3.put_object_acl(Bucket=bucket, Key="index.html", ACL="private")
refused("AccessDenied", anybody.get_object, Bucket=bucket, Key="index.html")
s3.put_bucket_policy(Bucket=bucket, Policy=json.dumps({"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}]}))
assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"]
assert anybody.get_object(Bucket=bucket, Key="index.html")["Body"].read() == b"home"
refused("AccessDenied", anybody.put_object, Bucket=bucket, Key="k", Body=b"x")

# Scripts of other origins.
refused("NoSuchCORSConfiguration", s3.get_bucket_cors, Bucket=bucket)
s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [{"AllowedOrigins": ["https://*.example.com"], "AllowedMethods": ["GET"], "ExposeHeaders": ["ETag"]}]})
status, headers, _ = ask("OPTIONS", f"/{bucket}/index.html", Origin="https://a.example.com", Access_Control_Request_Method="GET")
assert (status, headers["Access-Control-Allow-Origin"]) == (200, "https://a.example.com"), (status, headers)
assert ask("OPTIONS", f"/{bucket}/index.html", Origin="https://a.example.com", Access_Control_Request_Method="PUT")[0] == 403
_, headers, body = ask("GET", f"/{bucket}/index.html", Origin="https://a.example.com")
assert (body, headers["Access-Control-Expose-Headers"]) == ("home", "ETag"), headers
s3.delete_bucket_cors(Bucket=bucket)

# The website.
site = bucket + ".s3-website.localhost"
assert ask("GET", "/", site)[0] == 404
s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}, "ErrorDocument": {"Key": "sorry.html"}})
s3.put_object(Bucket=bucket, Key="docs/index.html", Body=b"docs", ContentType="text/html")
s3.put_object(Bucket=bucket, Key="sorry.html", Body=b"sorry", ContentType="text/html")
s3.put_object(Bucket=bucket, Key="old", WebsiteRedirectLocation="/docs/")
status, headers, body = ask("GET", "/", site)
assert (status, headers["Content-Type"], body) == (200, "text/html", "home"), (status, headers, body)
for path, want in {"/docs": 302, "/old": 301}.items():
    status, headers, _ = ask("GET", path, site)
    assert (status, headers["Location"]) == (want, "/docs/"), (path, status, headers)
status, _, body = ask("GET", "/none", site)
assert (status, body) == (403, "sorry"), (status, body)
s3.delete_bucket_website(Bucket=bucket)

# Forms of browsers.
post = s3.generate_presigned_post(bucket, "in/${filename}", Fields={"success_action_status": "201"},
                                  Conditions=[{"success_action_status": "201"}, ["content-length-range", 1, 10]])
status, headers, body = ask("POST", f"/{bucket}", **form(post["fields"], "cat.txt", "meow"))
assert status == 201 and f"<Key>in/cat.txt</Key>" in body, (status, body)
assert s3.get_object(Bucket=bucket, Key="in/cat.txt")["Body"].read() == b"meow"
status, _, body = ask("POST", f"/{bucket}", **form(post["fields"], "cat.txt", "far too long"))
assert status == 400 and "<Code>EntityTooLarge</Code>" in body, (status, body)
status, _, body = ask("POST", f"/{bucket}", **form(dict(post["fields"], key="out/k"), "cat.txt", "meow"))
assert status == 403 and "Policy Condition failed" in body, (status, body)
status, _, body = ask("POST", f"/{bucket}", **form({"key": "k"}, "cat.txt", "meow"))
assert status == 403 and "<Code>AccessDenied</Code>" in body, (status, body)

# S3 Control, whose clients put the account before the host, which is an address here.
control = boto3.client("s3control", endpoint_url=endpoint, config=botocore.config.Config(retries=once))
account = boto3.client("sts", endpoint_url=endpoint).get_caller_identity()["Account"]


def same_host(request, **_):
    request.url = request.url.replace(f"//{account}.", "//")


control.meta.events.register("before-sign.s3-control", same_host)
refused("NoSuchPublicAccessBlockConfiguration", control.get_public_access_block, AccountId=account)
control.put_public_access_block(AccountId=account, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
refused("AccessDenied", anybody.get_object, Bucket=bucket, Key="index.html")
control.delete_public_access_block(AccountId=account)
if hasattr(control, "list_tags_for_resource"):
    arn = f"arn:aws:s3:::{bucket}"
    control.tag_resource(AccountId=account, ResourceArn=arn, Tags=[{"Key": "team", "Value": "blue"}])
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "team", "Value": "blue"}]
    control.untag_resource(AccountId=account, ResourceArn=arn, TagKeys=["team"])
    assert control.list_tags_for_resource(AccountId=account, ResourceArn=arn)["Tags"] == []

for item in s3.list_objects_v2(Bucket=bucket)["Contents"]:
    s3.delete_object(Bucket=bucket, Key=item["Key"])
s3.delete_bucket(Bucket=bucket)
