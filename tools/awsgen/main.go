// Awsgen writes the packages of awsapi from the published service models.
//
// It guarantees that the same inputs give the same bytes: their versions are
// pinned here and in go.mod, and everything is emitted in the order of its name. The shapes
// come from the npm packages of the AWS SDK, read with npm and node; the widths
// of numbers, which JavaScript does not know, from the types of the Go SDK. It
// runs from the root of the repository, and keeps what it downloads in the
// user's cache folder.
package main

import (
	"fmt"
	"os"

	"github.com/vauban-cloud/vauban/gateway/wire"
)

// service is what to generate, and what the models leave open.
type service struct {
	pkg       string // folder of awsapi
	model     string // npm package with the shapes, or folder of the Go SDK's models
	goModule  string // module below github.com/aws/aws-sdk-go-v2/service, at the version of go.mod
	scope     string // of signatures
	global    bool   // one endpoint for all regions
	protocols []wire.Protocol
}

var services = []service{
	{"ec2", "client-ec2@3.1164.0", "ec2", "ec2", false, []wire.Protocol{wire.EC2Query}},
	{"sts", "client-sts@3.1164.0", "sts", "sts", true, []wire.Protocol{wire.Query}},
	{"iam", "client-iam@3.1164.0", "iam", "iam", true, []wire.Protocol{wire.Query}},
	{"organizations", "client-organizations@3.1164.0", "organizations", "organizations", true, []wire.Protocol{wire.JSON11}},
	{"s3", "client-s3@3.1164.0", "s3", "s3", false, []wire.Protocol{wire.RESTXML}},
	{"s3control", "client-s3-control@3.1112.0", "s3control", "s3-control", false, []wire.Protocol{wire.RESTXML}},
	{"ebs", "client-ebs@3.1138.0", "ebs", "ebs", false, []wire.Protocol{wire.RESTJSON}},
	{"rbin", "rbin/2021-06-15", "rbin", "rbin", false, []wire.Protocol{wire.RESTJSON}},
	{"dlm", "client-dlm@3.1124.0", "dlm", "dlm", false, []wire.Protocol{wire.RESTJSON}},
	{"kms", "client-kms@3.1164.0", "kms", "kms", false, []wire.Protocol{wire.JSON11}},
	{"elbv2", "client-elastic-load-balancing-v2@3.1142.0", "elasticloadbalancingv2", "elasticloadbalancing", false, []wire.Protocol{wire.Query}},
	{"cloudwatch", "client-cloudwatch@3.1164.0", "cloudwatch", "monitoring", false, []wire.Protocol{wire.CBOR, wire.JSON10, wire.Query}},
	{"logs", "client-cloudwatch-logs@3.1164.0", "cloudwatchlogs", "logs", false, []wire.Protocol{wire.JSON11}},
	{"cloudtrail", "client-cloudtrail@3.1137.0", "cloudtrail", "cloudtrail", false, []wire.Protocol{wire.JSON11}},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "awsgen:", err)
		os.Exit(1)
	}
}

func run() error {
	for _, s := range services {
		m, err := load(s.model)
		if err != nil {
			return fmt.Errorf("load %s: %w", s.model, err)
		}
		if err := m.setWidths(s.goModule); err != nil {
			return fmt.Errorf("find the numbers of %s: %w", s.goModule, err)
		}
		if err := emit("awsapi", s, m); err != nil {
			return fmt.Errorf("write %s: %w", s.pkg, err)
		}
	}
	return nil
}
