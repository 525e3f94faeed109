package app

import (
	"github.com/vauban-cloud/vauban/awsapi/cloudtrail"
	"github.com/vauban-cloud/vauban/awsapi/cloudwatch"
	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/awsapi/elbv2"
	"github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/awsapi/kms"
	"github.com/vauban-cloud/vauban/awsapi/logs"
	"github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/gateway"
	ec2service "github.com/vauban-cloud/vauban/service/ec2"
	stsservice "github.com/vauban-cloud/vauban/service/sts"
)

// Endpoints returns every API that the gateway knows, with services that have
// no store: good for asking which operations they support.
func Endpoints() []gateway.Endpoint { return endpoints(&ec2service.Service{}, &stsservice.Service{}) }

// endpoints ties each API to the service that implements it. An API without
// one answers that its operations are not supported.
func endpoints(compute *ec2service.Service, tokens *stsservice.Service) []gateway.Endpoint {
	return []gateway.Endpoint{
		{API: ec2.API(), Impl: compute},
		{API: sts.API(), Impl: tokens},
		{API: iam.API()},
		{API: organizations.API()},
		{API: s3.API()},
		{API: kms.API()},
		{API: elbv2.API()},
		{API: cloudwatch.API()},
		{API: logs.API()},
		{API: cloudtrail.API()},
	}
}
