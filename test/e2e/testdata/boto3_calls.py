"""What scripts with boto3 do, against a running cloud.

Usage: boto3_calls.py ENDPOINT IMAGE FLEET, where FLEET is the value of the tag
"fleet" that seven instances carry.

All that it makes it also removes, so that several versions of boto3 can take
turns on one cloud.
"""

import sys
import time
import unittest

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, WaiterError

ENDPOINT, IMAGE, FLEET = sys.argv[1:4]
# The endpoint is named in the code, since boto3 before 1.28 knows no AWS_ENDPOINT_URL.
config = Config(retries={"max_attempts": 0}, connect_timeout=10, read_timeout=60)
client = boto3.client("ec2", endpoint_url=ENDPOINT, config=config)
ec2 = boto3.resource("ec2", endpoint_url=ENDPOINT, config=config)
MARK = "boto3-" + boto3.__version__
PUBLIC_KEY = b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl someone"


def wait(name, **what):
    client.get_waiter(name).wait(WaiterConfig={"Delay": 1, "MaxAttempts": 180}, **what)


def eventually(check, within=120):
    deadline = time.monotonic() + within
    while True:
        found = check()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError("not within %d s" % within)
        time.sleep(0.5)


def tags(kind, **values):
    return [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in values.items()]}]


class Calls(unittest.TestCase):
    def refused(self, code, call, status=400, **parameters):
        with self.assertRaises(ClientError) as refusal:
            call(**parameters)
        answer = refusal.exception.response
        self.assertEqual(answer["Error"]["Code"], code, refusal.exception)
        self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], status)
        self.assertTrue(answer["ResponseMetadata"]["RequestId"])
        self.assertTrue(answer["Error"]["Message"])


class Instance(Calls):
    """The life of one instance, through the resource API; tests run in the order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.zone = client.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
        cls.launch = dict(
            ImageId=IMAGE, InstanceType="t2.nano", MinCount=1, MaxCount=1, ClientToken=MARK,
            Placement={"AvailabilityZone": cls.zone},
            UserData="#!/bin/sh\necho greetings from user data",
            BlockDeviceMappings=[{"DeviceName": "/dev/sdb", "Ebs": {"VolumeSize": 1}}],
            TagSpecifications=tags("instance", Name=MARK) + tags("volume", Name=MARK + "-disk"),
        )
        cls.instance = ec2.create_instances(**cls.launch)[0]
        cls.addClassCleanup(client.terminate_instances, InstanceIds=[cls.instance.id])
        cls.instance.wait_until_running(WaiterConfig={"Delay": 1, "MaxAttempts": 180})
        cls.instance.reload()

    def test_1_attributes_of_the_resource(self):
        i = self.instance
        self.assertEqual(i.state, {"Code": 16, "Name": "running"})
        self.assertEqual((i.image_id, i.instance_type, i.client_token), (IMAGE, "t2.nano", MARK))
        self.assertEqual(i.placement["AvailabilityZone"], self.zone)
        self.assertEqual(i.tags, [{"Key": "Name", "Value": MARK}])
        self.assertTrue(i.vpc.is_default)
        self.assertEqual(i.subnet.vpc_id, i.vpc_id)
        self.assertEqual(i.security_groups[0]["GroupName"], "default")
        self.assertEqual(i.network_interfaces[0].private_ip_address, i.private_ip_address)
        self.assertEqual(i.network_interfaces[0].association_attribute["PublicIp"], i.public_ip_address)
        self.assertEqual(i.image.root_device_name, i.root_device_name)
        self.assertEqual({m["DeviceName"] for m in i.block_device_mappings}, {i.root_device_name, "/dev/sdb"})
        disks = list(i.volumes.all())
        self.assertEqual(len(disks), 2)
        for v in disks:
            self.assertEqual(v.tags, [{"Key": "Name", "Value": MARK + "-disk"}])
        found = ec2.instances.filter(Filters=[{"Name": "tag:Name", "Values": [MARK[:-1] + "?"]}])
        self.assertEqual([f.id for f in found], [i.id])

    def test_2_client_tokens(self):
        again = ec2.create_instances(**self.launch)
        self.assertEqual([i.id for i in again], [self.instance.id])
        self.refused("IdempotentParameterMismatch", client.run_instances, **dict(self.launch, InstanceType="t2.micro"))
        volume = dict(Size=1, AvailabilityZone=self.zone, ClientToken=MARK)
        first, second = client.create_volume(**volume), client.create_volume(**volume)
        self.addCleanup(client.delete_volume, VolumeId=first["VolumeId"])
        self.assertEqual(first["VolumeId"], second["VolumeId"])
        self.refused("IdempotentParameterMismatch", client.create_volume, **dict(volume, Size=2))

    def test_3_tags(self):
        made = self.instance.create_tags(Tags=[{"Key": "team", "Value": "blau-weiß <&>"}])
        self.assertEqual(len(made), 1)
        self.instance.reload()
        self.assertIn({"Key": "team", "Value": "blau-weiß <&>"}, self.instance.tags)
        made[0].delete()
        self.instance.reload()
        self.assertEqual(self.instance.tags, [{"Key": "Name", "Value": MARK}])

    def test_4_status_and_console(self):
        wait("instance_status_ok", InstanceIds=[self.instance.id])
        wait("system_status_ok", InstanceIds=[self.instance.id])
        eventually(lambda: "greetings from user data" in self.instance.console_output(Latest=True).get("Output", ""))

    def test_5_attributes_that_terraform_reads(self):
        names = client.meta.service_model.shape_for("InstanceAttributeName").enum
        answers = {n: client.describe_instance_attribute(InstanceId=self.instance.id, Attribute=n) for n in names}
        for answer in answers.values():
            self.assertEqual(answer["InstanceId"], self.instance.id)
        self.assertEqual(answers["instanceType"]["InstanceType"]["Value"], "t2.nano")
        self.assertEqual(answers["disableApiTermination"]["DisableApiTermination"]["Value"], False)
        self.assertEqual(answers["instanceInitiatedShutdownBehavior"]["InstanceInitiatedShutdownBehavior"]["Value"], "stop")
        self.assertEqual(answers["sourceDestCheck"]["SourceDestCheck"]["Value"], True)
        self.assertEqual(answers["groupSet"]["Groups"][0]["GroupId"], self.instance.security_groups[0]["GroupId"])
        self.assertEqual(len(answers["blockDeviceMapping"]["BlockDeviceMappings"]), 2)
        self.assertEqual(answers["rootDeviceName"]["RootDeviceName"]["Value"], self.instance.root_device_name)
        # The one attribute that comes in base64, which boto3 leaves alone.
        self.assertEqual(answers["userData"]["UserData"]["Value"], "IyEvYmluL3NoCmVjaG8gZ3JlZXRpbmdzIGZyb20gdXNlciBkYXRh")
        credits = client.describe_instance_credit_specifications(InstanceIds=[self.instance.id])
        self.assertEqual(credits["InstanceCreditSpecifications"], [{"InstanceId": self.instance.id, "CpuCredits": "standard"}])

    def test_6_volume(self):
        volume = ec2.create_volume(Size=1, AvailabilityZone=self.zone, VolumeType="gp3", TagSpecifications=tags("volume", Name=MARK))
        wait("volume_available", VolumeIds=[volume.id])
        self.assertEqual(volume.attach_to_instance(InstanceId=self.instance.id, Device="/dev/sdf")["VolumeId"], volume.id)
        wait("volume_in_use", VolumeIds=[volume.id])
        self.refused("VolumeInUse", volume.delete)

        def attached():
            volume.reload()
            return volume.attachments[0]["State"] == "attached"

        eventually(attached)
        self.assertIn(volume.id, [v.id for v in self.instance.volumes.all()])
        volume.detach_from_instance(InstanceId=self.instance.id)
        wait("volume_available", VolumeIds=[volume.id])
        volume.delete()
        wait("volume_deleted", VolumeIds=[volume.id])
        self.refused("InvalidVolume.NotFound", client.describe_volumes, VolumeIds=[volume.id])

    def test_7_stop_and_start(self):
        i = self.instance
        self.assertEqual(i.stop()["StoppingInstances"][0]["PreviousState"]["Name"], "running")
        wait("instance_stopped", InstanceIds=[i.id])
        i.reload()
        self.assertIsNone(i.public_ip_address)
        self.assertEqual(i.state_reason["Code"], "Client.UserInitiatedShutdown")
        i.modify_attribute(DisableApiTermination={"Value": True})
        self.refused("OperationNotPermitted", i.terminate)
        i.modify_attribute(DisableApiTermination={"Value": False})
        i.modify_attribute(InstanceType={"Value": "t2.micro"})
        i.start()
        wait("instance_running", InstanceIds=[i.id])
        i.reload()
        self.assertEqual(i.instance_type, "t2.micro")
        self.refused("IncorrectInstanceState", i.modify_attribute, InstanceType={"Value": "t2.nano"})

    def test_8_end(self):
        disks = [v.id for v in self.instance.volumes.all()]
        self.instance.terminate()
        wait("instance_terminated", InstanceIds=[self.instance.id])
        wait("volume_deleted", VolumeIds=disks)
        with self.assertRaises(WaiterError):  # at once, not after the last attempt
            client.get_waiter("instance_running").wait(InstanceIds=[self.instance.id], WaiterConfig={"Delay": 60, "MaxAttempts": 2})
        self.refused("IncorrectInstanceState", client.start_instances, InstanceIds=[self.instance.id])
        again = client.terminate_instances(InstanceIds=[self.instance.id])["TerminatingInstances"][0]
        self.assertEqual((again["PreviousState"]["Name"], again["CurrentState"]["Name"]), ("terminated", "terminated"))


class Pages(Calls):
    """Paginators, five items a page, yield each item once, in more pages than one."""

    def pages(self, operation, list_key, item_id, want, **parameters):
        seen = []
        pages = 0
        for page in client.get_paginator(operation).paginate(PaginationConfig={"PageSize": 5}, **parameters):
            items = page[list_key]
            if list_key == "Reservations":
                items = [i for r in items for i in r["Instances"]]
            self.assertLessEqual(len(items), 5)
            seen += [item_id(i) for i in items]
            pages += 1
        self.assertEqual(sorted(seen), sorted(want))
        self.assertGreaterEqual(pages, 2)

    def test_instances(self):
        fleet = [{"Name": "tag:fleet", "Values": [FLEET]}]
        want = [i.id for i in ec2.instances.filter(Filters=fleet)]
        self.assertEqual(len(want), 7)
        self.pages("describe_instances", "Reservations", lambda i: i["InstanceId"], want, Filters=fleet)
        self.pages("describe_instance_status", "InstanceStatuses", lambda i: i["InstanceId"], want, Filters=fleet, IncludeAllInstances=True)
        self.pages("describe_tags", "Tags", lambda t: t["ResourceId"], want,
                   Filters=fleet + [{"Name": "resource-type", "Values": ["instance"]}])
        # A limit of the caller's own, with a token that resumes.
        first = client.get_paginator("describe_instances").paginate(
            Filters=fleet, PaginationConfig={"PageSize": 5, "MaxItems": 1}).build_full_result()
        self.assertEqual(len(first["Reservations"]), 1)

    def test_groups_and_rules(self):
        groups = [ec2.create_security_group(GroupName="%s-%d" % (MARK, n), Description="for pages",
                                            TagSpecifications=tags("security-group", mark=MARK)) for n in range(7)]
        for group in groups:
            self.addCleanup(group.delete)
            group.authorize_ingress(IpProtocol="tcp", FromPort=80, ToPort=80, CidrIp="192.0.2.0/24")
        ids = [g.id for g in groups]
        wait("security_group_exists", GroupIds=ids)
        self.pages("describe_security_groups", "SecurityGroups", lambda g: g["GroupId"], ids, Filters=[{"Name": "tag:mark", "Values": [MARK]}])
        self.pages("describe_security_group_rules", "SecurityGroupRules", lambda r: (r["GroupId"], r["IsEgress"]),
                   [(g, egress) for g in ids for egress in (True, False)], Filters=[{"Name": "group-id", "Values": ids}])

    def test_volumes(self):
        zone = client.describe_availability_zones()["AvailabilityZones"][1]["ZoneName"]
        ids = []
        for _ in range(7):
            ids.append(client.create_volume(Size=1, AvailabilityZone=zone, TagSpecifications=tags("volume", mark=MARK))["VolumeId"])
            self.addCleanup(client.delete_volume, VolumeId=ids[-1])
        mine = [{"Name": "tag:mark", "Values": [MARK]}]
        self.pages("describe_volumes", "Volumes", lambda v: v["VolumeId"], ids, Filters=mine)
        self.pages("describe_tags", "Tags", lambda t: t["ResourceId"], ids, Filters=[{"Name": "resource-id", "Values": ids}])

    def test_instance_types(self):
        every = [t["InstanceType"] for t in client.describe_instance_types()["InstanceTypes"]]
        self.assertIn("t2.nano", every)
        self.pages("describe_instance_types", "InstanceTypes", lambda t: t["InstanceType"], every)
        self.pages("describe_instance_type_offerings", "InstanceTypeOfferings", lambda t: (t["InstanceType"], t["Location"]),
                   [(t, z["ZoneName"]) for t in every for z in client.describe_availability_zones()["AvailabilityZones"]],
                   LocationType="availability-zone")


class Keys(Calls):
    def test_key_pairs(self):
        for kind, beginning in ("rsa", "-----BEGIN RSA PRIVATE KEY-----"), ("ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----"):
            pair = ec2.create_key_pair(KeyName=MARK + kind, KeyType=kind)
            self.addCleanup(pair.delete)
            self.assertTrue(pair.key_material.startswith(beginning))
            wait("key_pair_exists", KeyNames=[pair.name])
        pair = ec2.import_key_pair(KeyName=MARK, PublicKeyMaterial=PUBLIC_KEY)
        self.addCleanup(client.delete_key_pair, KeyName=MARK)
        shown = client.describe_key_pairs(KeyNames=[MARK], IncludePublicKey=True)["KeyPairs"][0]
        self.assertEqual(shown["KeyFingerprint"], pair.key_fingerprint)
        self.assertEqual(shown["PublicKey"].split()[:2], PUBLIC_KEY.decode().split()[:2])
        self.refused("InvalidKeyPair.Duplicate", client.import_key_pair, KeyName=MARK, PublicKeyMaterial=PUBLIC_KEY)
        self.refused("InvalidKey.Format", client.import_key_pair, KeyName=MARK + "x", PublicKeyMaterial=b"not a key")
        with self.assertRaises(WaiterError):
            client.get_waiter("key_pair_exists").wait(KeyNames=[MARK + "none"], WaiterConfig={"Delay": 1, "MaxAttempts": 2})


class Descriptions(Calls):
    """What Terraform and others read before they do anything."""

    def test_network(self):
        vpc = next(iter(ec2.vpcs.filter(Filters=[{"Name": "is-default", "Values": ["true"]}])))
        names = client.meta.service_model.shape_for("VpcAttributeName").enum
        for name in names:
            answer = client.describe_vpc_attribute(VpcId=vpc.id, Attribute=name)
            self.assertIn("Value", answer[name[0].upper() + name[1:]])
        self.assertEqual(len(list(vpc.subnets.all())), 2)
        self.assertTrue(vpc.describe_attribute(Attribute="enableDnsSupport")["EnableDnsSupport"]["Value"])
        main = client.describe_route_tables(Filters=[{"Name": "association.main", "Values": ["true"]}])["RouteTables"]
        self.assertEqual(len(main), 1)
        gateways = client.describe_internet_gateways(Filters=[{"Name": "attachment.vpc-id", "Values": [vpc.id]}])["InternetGateways"]
        self.assertIn(gateways[0]["InternetGatewayId"], [r.get("GatewayId") for r in main[0]["Routes"]])
        wait("vpc_available", VpcIds=[vpc.id])
        wait("subnet_available", SubnetIds=[s.id for s in vpc.subnets.all()])

    def test_account(self):
        every = {a["AttributeName"]: a["AttributeValues"][0]["AttributeValue"] for a in client.describe_account_attributes()["AccountAttributes"]}
        self.assertEqual(every["supported-platforms"], "VPC")
        one = client.describe_account_attributes(AttributeNames=["default-vpc"])["AccountAttributes"]
        self.assertEqual(one[0]["AttributeValues"][0]["AttributeValue"], every["default-vpc"])
        self.assertTrue(every["default-vpc"].startswith("vpc-"))
        self.refused("InvalidParameterValue", client.describe_account_attributes, AttributeNames=["none"])

    def test_types(self):
        t = client.describe_instance_types(InstanceTypes=["t2.nano"])["InstanceTypes"][0]
        self.assertEqual((t["VCpuInfo"]["DefaultVCpus"], t["MemoryInfo"]["SizeInMiB"], t["BurstablePerformanceSupported"]), (1, 512, True))
        self.refused("InvalidInstanceType", client.describe_instance_types, InstanceTypes=["t2.nonsense"])
        offered = client.describe_instance_type_offerings(LocationType="region", Filters=[{"Name": "instance-type", "Values": ["t2.n*"]}])
        self.assertEqual([(o["InstanceType"], o["Location"]) for o in offered["InstanceTypeOfferings"]], [("t2.nano", client.meta.region_name)])

    def test_images(self):
        image = ec2.Image(IMAGE)
        self.assertEqual((image.name, image.state, image.public), ("vauban-tiny", "available", True))
        wait("image_available", ImageIds=[IMAGE])
        self.assertEqual([i.id for i in ec2.images.filter(Filters=[{"Name": "name", "Values": ["vauban-t*"]}])], [IMAGE])

    def test_address_attributes(self):
        """Either an answer or a refusal that says so; never an empty success with an address that exists."""
        address = client.allocate_address(Domain="vpc")
        self.addCleanup(client.release_address, AllocationId=address["AllocationId"])
        try:
            answer = client.describe_addresses_attribute(AllocationIds=[address["AllocationId"]], Attribute="domain-name")
        except ClientError as e:
            self.assertEqual(e.response["Error"]["Code"], "UnsupportedOperation")
        else:
            self.assertEqual([a["AllocationId"] for a in answer["Addresses"]], [address["AllocationId"]])

    def test_addresses(self):
        address = ec2.VpcAddress(client.allocate_address(Domain="vpc", TagSpecifications=tags("elastic-ip", mark=MARK))["AllocationId"])
        self.assertEqual((address.domain, address.association_id, address.tags), ("vpc", None, [{"Key": "mark", "Value": MARK}]))
        address.release()
        self.refused("InvalidAllocationID.NotFound", client.describe_addresses, AllocationIds=[address.allocation_id])


class Unsupported(Calls):
    """What is not there says so in the words of its protocol; nothing pretends to succeed."""

    def test_every_protocol(self):
        query, rest_xml, other = ("InvalidAction",), ("NotImplemented",), ("UnknownOperationException",)
        for service, operation, parameters, codes in (
            ("ec2", "describe_hosts", dict(), ("UnsupportedOperation",)),
            ("ec2", "describe_transit_gateways", {}, ("UnsupportedOperation",)),
            ("iam", "list_signing_certificates", {}, query),
            ("iam", "upload_signing_certificate", dict(UserName="nobody", CertificateBody="none"), query),
            ("elbv2", "describe_load_balancers", {}, query),
            ("s3", "get_object_torrent", dict(Bucket="some-bucket", Key="k"), rest_xml),
            ("s3", "put_bucket_accelerate_configuration", dict(Bucket="some-bucket", AccelerateConfiguration={"Status": "Enabled"}), rest_xml),
            ("kms", "list_keys", {}, other),
            ("kms", "create_key", {}, other),
            ("logs", "describe_log_groups", {}, other),
            ("cloudtrail", "describe_trails", {}, other),
            ("organizations", "list_delegated_administrators", {}, other),
            ("cloudwatch", "list_metrics", {}, query + other),  # whose protocol changed with the years
            # Services that this cloud has never heard of.
            ("autoscaling", "describe_auto_scaling_groups", {}, query),
            ("sqs", "list_queues", {}, query + other),
            ("dynamodb", "list_tables", {}, other),
            ("route53", "list_hosted_zones", {}, query),
            ("lambda", "list_functions", {}, query),
            ("eks", "list_clusters", {}, query),
            ("eks", "create_nodegroup", dict(clusterName="c", nodegroupName="n", subnets=["s"], nodeRole="r"), other),
        ):
            with self.subTest(service + " " + operation):
                c = boto3.client(service, endpoint_url=ENDPOINT, config=config)
                with self.assertRaises(ClientError) as refusal:
                    getattr(c, operation)(**parameters)
                answer = refusal.exception.response
                self.assertIn(answer["Error"]["Code"], codes, refusal.exception)
                self.assertEqual(answer["ResponseMetadata"]["HTTPStatusCode"], 501 if codes == rest_xml else 400)
        self.assertEqual(len(client.describe_vpcs()["Vpcs"]), 1)


class DryRuns(Calls):
    def test_nothing_happens(self):
        def everything():
            return [
                {k: v for k, v in call().items() if k != "ResponseMetadata"}
                for call in (client.describe_instances, client.describe_volumes, client.describe_security_groups,
                             client.describe_key_pairs, client.describe_addresses, client.describe_tags)
            ]

        group = client.describe_security_groups(GroupNames=["default"])["SecurityGroups"][0]["GroupId"]
        zone = client.describe_availability_zones()["AvailabilityZones"][0]["ZoneName"]
        before = everything()
        for call, parameters in (
            (client.run_instances, dict(ImageId=IMAGE, InstanceType="t2.nano", MinCount=1, MaxCount=1)),
            (client.create_volume, dict(Size=1, AvailabilityZone=zone)),
            (client.create_security_group, dict(GroupName="dry", Description="dry")),
            (client.authorize_security_group_ingress, dict(GroupId=group, IpProtocol="tcp", FromPort=1, ToPort=1, CidrIp="0.0.0.0/0")),
            (client.create_key_pair, dict(KeyName="dry")),
            (client.allocate_address, dict(Domain="vpc")),
            (client.create_tags, dict(Resources=[group], Tags=[{"Key": "dry", "Value": "run"}])),
            (client.describe_instances, {}),
            (client.describe_regions, {}),
        ):
            self.refused("DryRunOperation", call, status=412, DryRun=True, **parameters)
        self.assertEqual(everything(), before)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1], verbosity=2)
