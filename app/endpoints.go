package app

import (
	"github.com/vauban-cloud/vauban/awsapi/cloudtrail"
	"github.com/vauban-cloud/vauban/awsapi/cloudwatch"
	"github.com/vauban-cloud/vauban/awsapi/ebs"
	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/awsapi/elbv2"
	"github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/awsapi/kms"
	"github.com/vauban-cloud/vauban/awsapi/logs"
	"github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/awsapi/rbin"
	"github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/awsapi/s3control"
	"github.com/vauban-cloud/vauban/awsapi/sts"
	"github.com/vauban-cloud/vauban/gateway"
	ebsservice "github.com/vauban-cloud/vauban/service/ebs"
	ec2service "github.com/vauban-cloud/vauban/service/ec2"
	iamservice "github.com/vauban-cloud/vauban/service/iam"
	organizationsservice "github.com/vauban-cloud/vauban/service/organizations"
	rbinservice "github.com/vauban-cloud/vauban/service/rbin"
	s3service "github.com/vauban-cloud/vauban/service/s3"
	stsservice "github.com/vauban-cloud/vauban/service/sts"
)

// apis are the services that implement APIs.
type apis struct {
	compute  *ec2service.Service
	tokens   *stsservice.Service
	people   *iamservice.Service
	accounts *organizationsservice.Service
	objects  *s3service.Service
	blocks   *ebsservice.Service
	bin      *rbinservice.Service
}

// Endpoints returns every API that the gateway knows, with services that have
// no store: good for asking which operations they support.
func Endpoints() []gateway.Endpoint {
	return apis{&ec2service.Service{}, &stsservice.Service{}, &iamservice.Service{}, &organizationsservice.Service{}, &s3service.Service{}, &ebsservice.Service{}, &rbinservice.Service{}}.endpoints()
}

// endpoints ties each API to the service that implements it. An API without
// one answers that its operations are not supported.
func (a apis) endpoints() []gateway.Endpoint {
	return []gateway.Endpoint{
		{API: ec2.API(), Impl: a.compute},
		// An identity provider's assertion proves who calls.
		{API: sts.API(), Impl: a.tokens, Anonymous: []string{"AssumeRoleWithSAML", "AssumeRoleWithWebIdentity"}},
		{API: iam.API(), Impl: a.people},
		{API: organizations.API(), Impl: a.accounts},
		{API: s3.API(), Impl: a.objects, Open: true, Web: s3service.NewWeb(a.objects)},
		{API: s3control.API(), Impl: s3service.NewControl(a.objects)},
		{API: ebs.API(), Impl: a.blocks},
		{API: rbin.API(), Impl: a.bin},
		{API: kms.API()},
		{API: elbv2.API()},
		{API: cloudwatch.API()},
		{API: logs.API()},
		{API: cloudtrail.API()},
	}
}
