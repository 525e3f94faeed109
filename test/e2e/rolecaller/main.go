// Command rolecaller is a program of a tenant on an instance: it calls the cloud
// as the role of the instance, and prints who it is and how each call ended. Its
// credentials come from the metadata service (IMDSv2), as those of every program
// with an AWS SDK do; it has no others.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/ec2rolecreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go"
)

func main() {
	endpoint := flag.String("endpoint", "", "URL of the cloud's API")
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Second)
	defer cancel()
	if err := run(ctx, *endpoint); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1) //nolint:gocritic // nothing is left to undo
	}
}

func run(ctx context.Context, endpoint string) error {
	service := imds.New(imds.Options{EnableFallback: aws.FalseTernary}) // IMDSv2 or nothing
	region, err := service.GetRegion(ctx, nil)
	if err != nil {
		return err
	}
	role := aws.NewCredentialsCache(ec2rolecreds.New(func(o *ec2rolecreds.Options) { o.Client = service }))
	keys, err := role.Retrieve(ctx)
	if err != nil {
		return err
	}
	fmt.Println("expires", keys.Expires.UTC().Format(time.RFC3339))
	who, err := sts.New(sts.Options{BaseEndpoint: &endpoint, Region: region.Region, Credentials: role}).GetCallerIdentity(ctx, nil)
	if err != nil {
		return err
	}
	fmt.Println("is", *who.Arn)
	compute := ec2.New(ec2.Options{BaseEndpoint: &endpoint, Region: region.Region, Credentials: role})
	_, err = compute.DescribeInstances(ctx, nil)
	fmt.Println("DescribeInstances", code(err))
	_, err = compute.DescribeVolumes(ctx, nil)
	fmt.Println("DescribeVolumes", code(err))
	return nil
}

// code is how a call ended.
func code(err error) string {
	if e, ok := errors.AsType[smithy.APIError](err); ok {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return "ok"
}
