package cloud

// InstanceType is a size of guest. A vCPU is one thread of the guest's own
// QEMU; memory is what the guest's firmware reports.
type InstanceType struct {
	Name       string
	VCPUs      int
	MemoryMiB  int
	Burstable  bool
	Interfaces int // network interfaces at most
	Addresses  int // private IPv4 addresses an interface at most
}

// InstanceTypes are the sizes on offer, in the order that DescribeInstanceTypes
// gives them. They match the EC2 types of the same names in vCPUs and memory.
func InstanceTypes() []InstanceType {
	return []InstanceType{
		{"t2.nano", 1, 512, true, 2, 2},
		{"t2.micro", 1, 1024, true, 2, 2},
		{"t2.small", 1, 2048, true, 3, 4},
		{"t2.medium", 2, 4096, true, 3, 6},
		{"t2.large", 2, 8192, true, 3, 12},
		{"t3.nano", 2, 512, true, 2, 2},
		{"t3.micro", 2, 1024, true, 2, 2},
		{"t3.small", 2, 2048, true, 3, 4},
		{"t3.medium", 2, 4096, true, 3, 6},
		{"t3.large", 2, 8192, true, 3, 12},
		{"t3.xlarge", 4, 16384, true, 4, 15},
		{"t3.2xlarge", 8, 32768, true, 4, 15},
		{"m5.large", 2, 8192, false, 3, 10},
		{"m5.xlarge", 4, 16384, false, 4, 15},
		{"m5.2xlarge", 8, 32768, false, 4, 15},
		{"m5.4xlarge", 16, 65536, false, 8, 30},
		{"c5.large", 2, 4096, false, 3, 10},
		{"c5.xlarge", 4, 8192, false, 4, 15},
		{"c5.2xlarge", 8, 16384, false, 4, 15},
		{"c5.4xlarge", 16, 32768, false, 8, 30},
		{"r5.large", 2, 16384, false, 3, 10},
		{"r5.xlarge", 4, 32768, false, 4, 15},
		{"r5.2xlarge", 8, 65536, false, 4, 15},
		{"r5.4xlarge", 16, 131072, false, 8, 30},
	}
}

// FindInstanceType returns the type of that name.
func FindInstanceType(name string) (InstanceType, bool) {
	for _, t := range InstanceTypes() {
		if t.Name == name {
			return t, true
		}
	}
	return InstanceType{}, false
}
