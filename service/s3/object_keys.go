package s3

// existingTags adds the tags that an object carries.
func (k keys) existingTags(tags map[string]string) keys {
	for key, value := range tags {
		k = k.set("s3:ExistingObjectTag/"+key, &value)
	}
	return k
}

// requestTags adds the tags that a request gives an object.
func (k keys) requestTags(tags map[string]string) keys {
	for key, value := range tags {
		k["s3:RequestObjectTag/"+key] = []string{value}
		k["s3:RequestObjectTagKeys"] = append(k["s3:RequestObjectTagKeys"], key)
	}
	return k
}
