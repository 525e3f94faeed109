"""A stack of three tiers, as a script with boto3 makes one and takes it away.

Usage: boto3_stack.py ENDPOINT build IMAGE KEY
       boto3_stack.py ENDPOINT destroy <STACK

build prints the stack as JSON, which destroy reads. Instances tell at their ports
from which address they are asked. One of them is in the default VPC: it stands
for the Internet.
"""

import json
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ENDPOINT, COMMAND = sys.argv[1:3]
config = Config(retries={"max_attempts": 0}, connect_timeout=10, read_timeout=60)
ec2 = boto3.client("ec2", endpoint_url=ENDPOINT, config=config)
EVERYWHERE = "0.0.0.0/0"

SERVE = """#!/bin/sh
mkdir -p /www/cgi-bin
printf '#!/bin/sh\\necho; echo "asked by $REMOTE_ADDR" | tr -d "[]" | sed s/::ffff://\\n' >/www/cgi-bin/who
chmod 755 /www/cgi-bin/who
for port in %s; do httpd -p $port -h /www; done
printf '#!/bin/sh\\nn=0; while echo $n; do n=$((n+1)); sleep 0.2; done\\n' >/www/count
chmod 755 /www/count
nc -ll -p 7070 -e /www/count &
"""


def wait(name, **what):
    ec2.get_waiter(name).wait(WaiterConfig={"Delay": 1, "MaxAttempts": 180}, **what)


def named(kind, name):
    return [{"ResourceType": kind, "Tags": [{"Key": "Name", "Value": name}]}]


def tcp(port, group=None, cidr=EVERYWHERE):
    other = {"UserIdGroupPairs": [{"GroupId": group}]} if group else {"IpRanges": [{"CidrIp": cidr}]}
    return {"IpProtocol": "tcp", "FromPort": port, "ToPort": port, **other}


def security_group(vpc, name, *permissions):
    group = ec2.create_security_group(VpcId=vpc, GroupName=name, Description="tier " + name)["GroupId"]
    ec2.authorize_security_group_ingress(GroupId=group, IpPermissions=list(permissions))
    return group


def route_table(vpc, name, subnets, **target):
    table = ec2.create_route_table(VpcId=vpc, TagSpecifications=named("route-table", name))["RouteTable"]["RouteTableId"]
    ec2.create_route(RouteTableId=table, DestinationCidrBlock=EVERYWHERE, **target)
    ids = [ec2.associate_route_table(RouteTableId=table, SubnetId=s)["AssociationId"] for s in subnets]
    return {"id": table, "associations": ids}


def acl(vpc, subnet):
    """An ACL that shuts port 9090, which a security group opens."""
    made = ec2.create_network_acl(VpcId=vpc)["NetworkAcl"]["NetworkAclId"]
    entries = [
        (100, False, "deny", "6", {"PortRange": {"From": 9090, "To": 9090}}),
        (110, False, "allow", "-1", {}),
        (100, True, "allow", "-1", {}),
    ]
    for number, egress, action, protocol, ports in entries:
        ec2.create_network_acl_entry(
            NetworkAclId=made, RuleNumber=number, Egress=egress, RuleAction=action, Protocol=protocol, CidrBlock=EVERYWHERE, **ports)
    old = ec2.describe_network_acls(Filters=[{"Name": "association.subnet-id", "Values": [subnet]}])["NetworkAcls"][0]
    association = next(a["NetworkAclAssociationId"] for a in old["Associations"] if a["SubnetId"] == subnet)
    ec2.replace_network_acl_association(AssociationId=association, NetworkAclId=made)
    return {"id": made, "default": old["NetworkAclId"]}


def instance(image, key, name, group, subnet=None, ports=""):
    where = {"SubnetId": subnet} if subnet else {}
    return ec2.run_instances(
        ImageId=image, KeyName=key, InstanceType="t2.nano", MinCount=1, MaxCount=1, SecurityGroupIds=[group],
        UserData=SERVE % ports, TagSpecifications=named("instance", name), **where)["Instances"][0]["InstanceId"]


def build(image, key):
    zones = [z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"][:2]]
    vpc = ec2.create_vpc(CidrBlock="10.20.0.0/16", TagSpecifications=named("vpc", "stack"))["Vpc"]["VpcId"]
    wait("vpc_available", VpcIds=[vpc])
    ec2.modify_vpc_attribute(VpcId=vpc, EnableDnsHostnames={"Value": True})
    subnets = {}
    for i, zone in enumerate(zones):
        for tier, base in (("public", 0), ("private", 100)):
            made = ec2.create_subnet(
                VpcId=vpc, AvailabilityZone=zone, CidrBlock="10.20.%d.0/24" % (base + i), TagSpecifications=named("subnet", tier + zone[-1]))
            subnets[tier + str(i)] = made["Subnet"]["SubnetId"]
    wait("subnet_available", SubnetIds=list(subnets.values()))

    gateway = ec2.create_internet_gateway()["InternetGateway"]["InternetGatewayId"]
    ec2.attach_internet_gateway(InternetGatewayId=gateway, VpcId=vpc)
    addresses = [ec2.allocate_address(Domain="vpc") for _ in range(2)]
    nat = ec2.create_nat_gateway(SubnetId=subnets["public0"], AllocationId=addresses[0]["AllocationId"])["NatGateway"]["NatGatewayId"]
    wait("nat_gateway_available", NatGatewayIds=[nat])
    tables = [
        route_table(vpc, "public", [subnets["public0"], subnets["public1"]], GatewayId=gateway),
        route_table(vpc, "private", [subnets["private0"], subnets["private1"]], NatGatewayId=nat),
    ]
    edge = security_group(vpc, "edge", tcp(22))
    app = security_group(vpc, "app", tcp(22, edge), tcp(8080, edge))
    data = security_group(vpc, "data", tcp(22, edge), tcp(5432, app), tcp(9090, app))
    default = next(v["VpcId"] for v in ec2.describe_vpcs()["Vpcs"] if v["IsDefault"])
    internet = security_group(default, "internet", tcp(22), tcp(8080), tcp(7070))

    instances = {
        "bastion": instance(image, key, "bastion", edge, subnets["public0"]),
        "app": instance(image, key, "app", app, subnets["private0"], "8080"),
        "data": instance(image, key, "data", data, subnets["private1"], "5432 9090"),
        "internet": instance(image, key, "internet", internet, None, "8080"),
    }
    wait("instance_running", InstanceIds=list(instances.values()))
    bastion = ec2.associate_address(AllocationId=addresses[1]["AllocationId"], InstanceId=instances["bastion"])["AssociationId"]
    return {
        "vpc": vpc, "subnets": subnets, "gateway": gateway, "nat": nat, "natAddress": addresses[0]["PublicIp"], "bastionAddress": addresses[1]["PublicIp"],
        "allocations": [a["AllocationId"] for a in addresses], "association": bastion, "tables": tables, "acl": acl(vpc, subnets["private1"]),
        "groups": {"edge": edge, "app": app, "data": data, "internet": internet}, "instances": instances,
    }


def refused(code, call, **parameters):
    try:
        call(**parameters)
    except ClientError as e:
        got = e.response["Error"]["Code"]
        if got != code:
            raise AssertionError("%s: want %s, not: %s" % (call.__name__, code, e))
        return
    raise AssertionError("%s of %s went through: want %s" % (call.__name__, parameters, code))


def used(**resource):
    """What is in use is not deleted."""
    (name, value), = resource.items()
    calls = {
        "VpcId": ec2.delete_vpc, "SubnetId": ec2.delete_subnet, "GroupId": ec2.delete_security_group,
        "RouteTableId": ec2.delete_route_table, "NetworkAclId": ec2.delete_network_acl, "InternetGatewayId": ec2.delete_internet_gateway,
    }
    refused("DependencyViolation", calls[name], **resource)


def destroy(s):
    used(VpcId=s["vpc"])
    used(InternetGatewayId=s["gateway"])
    refused("DependencyViolation", ec2.detach_internet_gateway, InternetGatewayId=s["gateway"], VpcId=s["vpc"])
    for subnet in ("public0", "private0", "private1"):
        used(SubnetId=s["subnets"][subnet])
    for group in ("edge", "app", "data"):
        used(GroupId=s["groups"][group])
    used(NetworkAclId=s["acl"]["id"])
    for table in s["tables"]:
        used(RouteTableId=table["id"])
    refused("InvalidIPAddress.InUse", ec2.release_address, AllocationId=s["allocations"][1])

    ids = list(s["instances"].values())
    ec2.terminate_instances(InstanceIds=ids)
    wait("instance_terminated", InstanceIds=ids)
    used(SubnetId=s["subnets"]["public0"])  # the NAT gateway is in it
    ec2.delete_nat_gateway(NatGatewayId=s["nat"])
    wait("nat_gateway_deleted", NatGatewayIds=[s["nat"]])
    route = next(
        r for r in ec2.describe_route_tables(RouteTableIds=[s["tables"][1]["id"]])["RouteTables"][0]["Routes"] if r["DestinationCidrBlock"] == EVERYWHERE)
    if route["State"] != "blackhole":
        raise AssertionError("the route to a NAT gateway that is no more: %s" % route)
    for allocation in s["allocations"]:
        ec2.release_address(AllocationId=allocation)
    ec2.detach_internet_gateway(InternetGatewayId=s["gateway"], VpcId=s["vpc"])
    ec2.delete_internet_gateway(InternetGatewayId=s["gateway"])
    for table in s["tables"]:
        for association in table["associations"]:
            ec2.disassociate_route_table(AssociationId=association)
        ec2.delete_route_table(RouteTableId=table["id"])
    used(GroupId=s["groups"]["edge"])  # others name it
    for group in ("data", "app", "edge", "internet"):
        ec2.delete_security_group(GroupId=s["groups"][group])
    used(VpcId=s["vpc"])
    for subnet in s["subnets"].values():
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_network_acl(NetworkAclId=s["acl"]["id"])
    ec2.delete_vpc(VpcId=s["vpc"])
    refused("InvalidVpcID.NotFound", ec2.describe_vpcs, VpcIds=[s["vpc"]])


if COMMAND == "build":
    print(json.dumps(build(*sys.argv[3:5])))
else:
    begin = time.monotonic()
    destroy(json.load(sys.stdin))
    print("destroyed in %.1f s" % (time.monotonic() - begin))
