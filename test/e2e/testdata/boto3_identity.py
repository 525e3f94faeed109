"""What boto3 does with temporary credentials: boto3_identity.py ENDPOINT ROLE."""

import datetime
import json
import sys

import boto3
import botocore.config
import botocore.exceptions

endpoint, role = sys.argv[1:]


def client(service, keys=None):
    """A client with the keys of the environment, or with temporary ones."""
    given = {} if keys is None else dict(
        aws_access_key_id=keys["AccessKeyId"], aws_secret_access_key=keys["SecretAccessKey"], aws_session_token=keys["SessionToken"]
    )
    return boto3.client(
        service, endpoint_url=endpoint, config=botocore.config.Config(retries={"total_max_attempts": 1}), **given
    )


def refused(code, call, **parameters):
    try:
        call(**parameters)
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code, f"want {code}, got {e}"
        return e.response["Error"]["Message"]
    raise AssertionError(f"{call} was not refused with {code}")


def allow(action):
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}})


sts = client("sts")
name = "boto3-" + boto3.__version__
whole = sts.assume_role(RoleArn=role, RoleSessionName=name)
assert whole["AssumedRoleUser"]["Arn"].endswith(":assumed-role/tagged/" + name), whole
assert whole["Credentials"]["Expiration"] > datetime.datetime.now(datetime.timezone.utc), whole
assert client("sts", whole["Credentials"]).get_caller_identity()["Arn"] == whole["AssumedRoleUser"]["Arn"]
client("ec2", whole["Credentials"]).describe_volumes()

# A session policy takes away, and cannot give.
small = sts.assume_role(RoleArn=role, RoleSessionName=name, Policy=allow(["ec2:DescribeInstances", "iam:*"]), DurationSeconds=900)
assert 0 < small["PackedPolicySize"] <= 100, small
client("ec2", small["Credentials"]).describe_instances()
words = refused("UnauthorizedOperation", client("ec2", small["Credentials"]).describe_volumes)
assert "no session policy allows the ec2:DescribeVolumes action" in words, words
refused("AccessDenied", client("iam", small["Credentials"]).list_users)

# Tags pass on where they are transitive, through a chain of an hour at most.
tagged = sts.assume_role(
    RoleArn=role, RoleSessionName=name, Tags=[{"Key": "team", "Value": "blue"}], TransitiveTagKeys=["team"], SourceIdentity="erin"
)
assert tagged["SourceIdentity"] == "erin", tagged

refused("ValidationError", sts.assume_role, RoleArn=role, RoleSessionName=name, DurationSeconds=43200)
refused("MalformedPolicyDocument", sts.assume_role, RoleArn=role, RoleSessionName=name, Policy='{"Version":"2012-10-17"')
message = refused("AccessDenied", sts.assume_role, RoleArn=role + "-missing", RoleSessionName=name)
assert "sts:AssumeRole" in message, message

# A user's own session, and a guest of the user's.
session = sts.get_session_token(DurationSeconds=900)["Credentials"]
assert client("sts", session).get_caller_identity()["Arn"].endswith(":user/erin")
refused("AccessDenied", client("sts", session).get_session_token)
guest = sts.get_federation_token(Name="guest", Policy=allow("sts:*"), DurationSeconds=900)
assert guest["FederatedUser"]["Arn"].endswith(":federated-user/guest"), guest
refused("UnauthorizedOperation", client("ec2", guest["Credentials"]).describe_instances)

# What a refusal says can be decoded, by who may.
encoded = words.split("Encoded authorization failure message: ")[1]
decoded = json.loads(sts.decode_authorization_message(EncodedMessage=encoded)["DecodedMessage"])
assert decoded["allowed"] is False and decoded["context"]["action"] == "ec2:DescribeVolumes", decoded
refused("InvalidAuthorizationMessageException", sts.decode_authorization_message, EncodedMessage=encoded[:-8] + "AAAAAAAA")
