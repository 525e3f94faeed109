// Awsgen writes the packages of awsapi from the published service models.
//
// It guarantees that the same inputs give the same bytes: the versions of the
// models are pinned here, and everything is emitted in the order of its name.
// It runs from the root of the repository.
package main

import (
	"fmt"
	"os"

	"github.com/vauban-cloud/vauban/gateway/wire"
)

// service is what to generate, and what the models leave open.
type service struct {
	pkg          string // folder of awsapi
	model        string // folder of the model
	protocols    []wire.Protocol
	targetPrefix string // where the model has none
	queryErrors  bool
}

var services = []service{
	{pkg: "ec2", model: "ec2/2016-11-15", protocols: []wire.Protocol{wire.EC2Query}},
	{pkg: "sts", model: "sts/2011-06-15", protocols: []wire.Protocol{wire.Query}},
	{pkg: "iam", model: "iam/2010-05-08", protocols: []wire.Protocol{wire.Query}},
	{pkg: "organizations", model: "organizations/2016-11-28", protocols: []wire.Protocol{wire.JSON11}},
	{pkg: "s3", model: "s3/2006-03-01", protocols: []wire.Protocol{wire.RESTXML}},
	{pkg: "kms", model: "kms/2014-11-01", protocols: []wire.Protocol{wire.JSON11}},
	{pkg: "elbv2", model: "elasticloadbalancingv2/2015-12-01", protocols: []wire.Protocol{wire.Query}},
	{
		pkg: "cloudwatch", model: "monitoring/2010-08-01", protocols: []wire.Protocol{wire.CBOR, wire.JSON10, wire.Query},
		targetPrefix: "GraniteServiceVersion20100801", queryErrors: true,
	},
	{pkg: "logs", model: "logs/2014-03-28", protocols: []wire.Protocol{wire.JSON11}},
	{pkg: "cloudtrail", model: "cloudtrail/2013-11-01", protocols: []wire.Protocol{wire.JSON11}},
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "awsgen:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := modelDir()
	if err != nil {
		return err
	}
	for _, s := range services {
		m, err := load(dir, s.model)
		if err != nil {
			return fmt.Errorf("load %s: %w", s.model, err)
		}
		if err := emit("awsapi", s, m); err != nil {
			return fmt.Errorf("write %s: %w", s.pkg, err)
		}
	}
	return nil
}
