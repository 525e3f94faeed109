package cloud

// Place says where the cloud is: the partition, region and zones in every ARN,
// name and answer.
type Place struct {
	Partition string   // "aws", because clients hard-code it
	Region    string   // e.g. "eu-paris-1"
	Zones     []string // at least two: clients index the second
}

// DefaultPlace is the region of a cloud whose operator chose nothing else.
func DefaultPlace() Place {
	return Place{Partition: "aws", Region: "eu-paris-1", Zones: []string{"eu-paris-1a", "eu-paris-1b"}}
}

// ARN returns the name of a resource of the region, e.g.
// "arn:aws:ec2:eu-paris-1:000000000001:instance/i-…".
func (p Place) ARN(service, account, resource string) string {
	return "arn:" + p.Partition + ":" + service + ":" + p.Region + ":" + account + ":" + resource
}

// GlobalARN returns the name of a resource that has no region, e.g.
// "arn:aws:iam::000000000001:user/alice".
func (p Place) GlobalARN(service, account, resource string) string {
	return "arn:" + p.Partition + ":" + service + "::" + account + ":" + resource
}
