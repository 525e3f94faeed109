package iam

// linkedService is a service of AWS that has a role of its own in accounts:
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_aws-services-that-work-with-iam.html
type linkedService struct {
	role   string // its name
	suffix bool   // an account may have more than one, told apart by a suffix
	policy string // name of the managed policy that it carries, where the cloud brings it
}

// linkedServices are those that tools make roles for, by the name that they have
// as principals. That a role can be made does not say that the cloud has the
// service.
var linkedServices = map[string]linkedService{
	"access-analyzer.amazonaws.com":                  {"AWSServiceRoleForAccessAnalyzer", false, "AccessAnalyzerServiceRolePolicy"},
	"autoscaling.amazonaws.com":                      {"AWSServiceRoleForAutoScaling", true, "AutoScalingServiceRolePolicy"},
	"backup.amazonaws.com":                           {"AWSServiceRoleForBackup", false, "AWSBackupServiceLinkedRolePolicyForBackup"},
	"batch.amazonaws.com":                            {"AWSServiceRoleForBatch", false, "BatchServiceRolePolicy"},
	"cks.kms.amazonaws.com":                          {"AWSServiceRoleForKeyManagementServiceCustomKeyStores", false, "AWSKeyManagementServiceCustomKeyStoresServiceRolePolicy"},
	"cloudtrail.amazonaws.com":                       {"AWSServiceRoleForCloudTrail", false, "CloudTrailServiceRolePolicy"},
	"config.amazonaws.com":                           {"AWSServiceRoleForConfig", false, "AWSConfigServiceRolePolicy"},
	"delivery.logs.amazonaws.com":                    {"AWSServiceRoleForLogDelivery", false, "AWSLogDeliveryServiceRolePolicy"},
	"dynamodb.application-autoscaling.amazonaws.com": {"AWSServiceRoleForApplicationAutoScaling_DynamoDBTable", false, "AWSApplicationAutoscalingDynamoDBTablePolicy"},
	"ec2fleet.amazonaws.com":                         {"AWSServiceRoleForEC2Fleet", false, "AWSEC2FleetServiceRolePolicy"},
	"ecs.amazonaws.com":                              {"AWSServiceRoleForECS", false, "AmazonECSServiceRolePolicy"},
	"ecs.application-autoscaling.amazonaws.com":      {"AWSServiceRoleForApplicationAutoScaling_ECSService", false, "AWSApplicationAutoscalingECSServicePolicy"},
	"eks.amazonaws.com":                              {"AWSServiceRoleForAmazonEKS", false, "AmazonEKSServiceRolePolicy"},
	"eks-fargate.amazonaws.com":                      {"AWSServiceRoleForAmazonEKSForFargate", false, "AmazonEKSForFargateServiceRolePolicy"},
	"eks-nodegroup.amazonaws.com":                    {"AWSServiceRoleForAmazonEKSNodegroup", false, "AWSServiceRoleForAmazonEKSNodegroup"},
	"elasticache.amazonaws.com":                      {"AWSServiceRoleForElastiCache", false, "ElastiCacheServiceRolePolicy"},
	"elasticbeanstalk.amazonaws.com":                 {"AWSServiceRoleForElasticBeanstalk", false, "AWSElasticBeanstalkServiceRolePolicy"},
	"elasticfilesystem.amazonaws.com":                {"AWSServiceRoleForAmazonElasticFileSystem", false, "AmazonElasticFileSystemServiceRolePolicy"},
	"elasticloadbalancing.amazonaws.com":             {"AWSServiceRoleForElasticLoadBalancing", false, "AWSElasticLoadBalancingServiceRolePolicy"},
	"es.amazonaws.com":                               {"AWSServiceRoleForAmazonElasticsearchService", false, "AmazonElasticsearchServiceRolePolicy"},
	"events.amazonaws.com":                           {"AWSServiceRoleForCloudWatchEvents", false, "CloudWatchEventsServiceRolePolicy"},
	"fsx.amazonaws.com":                              {"AWSServiceRoleForAmazonFSx", false, "AmazonFSxServiceRolePolicy"},
	"guardduty.amazonaws.com":                        {"AWSServiceRoleForAmazonGuardDuty", false, "AmazonGuardDutyServiceRolePolicy"},
	"kafka.amazonaws.com":                            {"AWSServiceRoleForKafka", false, "KafkaServiceRolePolicy"},
	"mrk.kms.amazonaws.com":                          {"AWSServiceRoleForKeyManagementServiceMultiRegionKeys", false, "AWSKeyManagementServiceMultiRegionKeysServiceRolePolicy"},
	"ops.apigateway.amazonaws.com":                   {"AWSServiceRoleForAPIGateway", false, "APIGatewayServiceRolePolicy"},
	"opensearchservice.amazonaws.com":                {"AWSServiceRoleForAmazonOpenSearchService", false, "AmazonOpenSearchServiceRolePolicy"},
	"organizations.amazonaws.com":                    {"AWSServiceRoleForOrganizations", false, "AWSOrganizationsServiceTrustPolicy"},
	"rds.amazonaws.com":                              {"AWSServiceRoleForRDS", false, "AmazonRDSServiceRolePolicy"},
	"redshift.amazonaws.com":                         {"AWSServiceRoleForRedshift", false, "AmazonRedshiftServiceLinkedRolePolicy"},
	"securityhub.amazonaws.com":                      {"AWSServiceRoleForSecurityHub", false, "AWSSecurityHubServiceRolePolicy"},
	"spot.amazonaws.com":                             {"AWSServiceRoleForEC2Spot", false, "AWSEC2SpotServiceRolePolicy"},
	"spotfleet.amazonaws.com":                        {"AWSServiceRoleForEC2SpotFleet", false, "AWSEC2SpotFleetServiceRolePolicy"},
	"ssm.amazonaws.com":                              {"AWSServiceRoleForAmazonSSM", false, "AmazonSSMServiceRolePolicy"},
	"support.amazonaws.com":                          {"AWSServiceRoleForSupport", false, "AWSSupportServiceRolePolicy"},
	"transitgateway.amazonaws.com":                   {"AWSServiceRoleForVPCTransitGateway", false, "AWSVPCTransitGatewayServiceRolePolicy"},
	"trustedadvisor.amazonaws.com":                   {"AWSServiceRoleForTrustedAdvisor", false, "AWSTrustedAdvisorServiceRolePolicy"},
}
