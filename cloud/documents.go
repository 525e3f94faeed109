package cloud

// Document is what the store keeps; see store.Document, the same type.
type Document = interface {
	Table() string
	Key() string
	Labels() []string
}

// Documents returns a zero value of every type that the store keeps.
func Documents() []Document {
	return []Document{
		Account{},
		Organization{},
		OrganizationalUnit{},
		ControlPolicy{},
		AccountRequest{},
		Operator{},
		OperatorRecord{},
		SealedKey{},
		AccessKey{},
		LastUse{},
		LoginProfile{},
		MFADevice{},
		ServerCertificate{},
		CredentialReport{},
		User{},
		Group{},
		Role{},
		RoleDeletion{},
		ManagedPolicy{},
		InstanceProfile{},
		OIDCProvider{},
		SAMLProvider{},
		ClientToken{},
		Host{},
		Lease{},
		Settings{},
		Instance{},
		Volume{},
		Snapshot{},
		RecycleRule{},
		LifecyclePolicy{},
		Image{},
		ImportTask{},
		ExportTask{},
		KeyPair{},
		VPC{},
		Subnet{},
		RouteTable{},
		InternetGateway{},
		EgressGateway{},
		NATGateway{},
		NetworkACL{},
		DHCPOptions{},
		PrefixList{},
		Peering{},
		Endpoint{},
		FlowLog{},
		NetworkInterface{},
		Address{},
		SecurityGroup{},
		Bucket{},
		LifecycleRun{},
	}
}
