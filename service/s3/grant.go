package s3

import (
	"net/http"
	"slices"
	"strings"

	api "github.com/vauban-cloud/vauban/awsapi/s3"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// maxGrants is how many grants a list may have.
const maxGrants = 100

// groupPrefix begins the URIs of groups; that of log delivery has "s3" for "global".
const groupPrefix = "http://acs.amazonaws.com/groups/"

var accountTable store.Table[cloud.Account]

// grantees is an access control list as a request asks for it: by one name, by headers,
// or by a document.
type grantees struct {
	canned *string
	// grants are the headers of grants, in the order of permissions.
	grants []*string
	bucket bool // the list is a bucket's
	body   *api.AccessControlPolicy
}

// permissions are those of the headers for grants: FULL_CONTROL, READ, READ_ACP,
// WRITE_ACP, and of buckets WRITE.
var permissions = []string{ //nolint:gochecknoglobals // never changed
	api.PermissionFULLCONTROL, api.PermissionREAD, api.PermissionREADACP, api.PermissionWRITEACP, api.PermissionWRITE,
}

// byHeader reports whether a header grants something.
func (g grantees) byHeader() bool {
	return slices.ContainsFunc(g.grants, func(h *string) bool { return h != nil })
}

// refuseDisabled refuses any other list than the owner's alone.
func (g grantees) refuseDisabled() error {
	switch val(g.canned) {
	case "", api.ObjectCannedACLPrivate, api.ObjectCannedACLBucketOwnerFullControl: // what holds anyway
	default:
		if !slices.Contains(cannedACLs, *g.canned) {
			return badCanned()
		}
		return aclNotSupported()
	}
	if g.byHeader() {
		return aclNotSupported()
	}
	return nil
}

// cannedACLs are all names of lists that there are.
var cannedACLs = []string{ //nolint:gochecknoglobals // never changed
	"private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read", "bucket-owner-full-control", "log-delivery-write",
}

// list is the access control list that is asked for, of what belongs to an owner in a
// bucket.
func (s *Service) list(g grantees, owner string, b cloud.Bucket) (cloud.ACL, error) {
	switch {
	case g.canned != nil && g.byHeader():
		return cloud.ACL{}, invalidRequest("Specifying both Canned ACLs and Header Grants is not allowed")
	case g.body != nil && (g.canned != nil || g.byHeader()):
		return cloud.ACL{}, failure(http.StatusBadRequest, "UnexpectedContent", "This request does not support content")
	case g.byHeader():
		return s.headerList(g, owner)
	case g.body != nil:
		return s.bodyList(g, owner)
	}
	l := ownersAlone(owner)
	group := func(name, permission string) {
		l.Grants = append(l.Grants, cloud.ACLGrant{Group: name, Permission: permission})
	}
	bucketOwner := func(permission string) {
		if !g.bucket && owner != b.Account {
			l.Grants = append(l.Grants, cloud.ACLGrant{Account: b.Account, Permission: permission})
		}
	}
	switch val(g.canned) {
	case "", "private":
	case "public-read":
		group(cloud.GroupAllUsers, api.PermissionREAD)
	case "public-read-write":
		group(cloud.GroupAllUsers, api.PermissionREAD)
		group(cloud.GroupAllUsers, api.PermissionWRITE)
	case "authenticated-read":
		group(cloud.GroupAuthenticated, api.PermissionREAD)
	case "bucket-owner-read":
		bucketOwner(api.PermissionREAD)
	case "bucket-owner-full-control":
		bucketOwner(api.PermissionFULLCONTROL)
	case "aws-exec-read":
		return l, notImplemented("the canned ACL aws-exec-read: grant READ to the account that is to read")
	case "log-delivery-write":
		if !g.bucket {
			return l, badCanned()
		}
		group(cloud.GroupLogDelivery, api.PermissionWRITE)
		group(cloud.GroupLogDelivery, api.PermissionREADACP)
	default:
		return l, badCanned()
	}
	return l, nil
}

func badCanned() error { return invalid("The canned ACL you provided is not valid") }

// headerList reads headers such as x-amz-grant-read: id="ID", uri="URI".
func (s *Service) headerList(g grantees, owner string) (cloud.ACL, error) {
	l := cloud.ACL{Owner: owner}
	for i, header := range g.grants {
		if header == nil {
			continue
		}
		for one := range strings.SplitSeq(*header, ",") {
			kind, value, ok := strings.Cut(strings.TrimSpace(one), "=")
			value = strings.Trim(strings.TrimSpace(value), `"`)
			if !ok {
				return l, invalid("Argument format not recognized")
			}
			who := api.Grantee{}
			switch strings.ToLower(strings.TrimSpace(kind)) {
			case "id":
				who.Type, who.ID = new(api.TypeCanonicalUser), &value
			case "uri":
				who.Type, who.URI = new(api.TypeGroup), &value
			case "emailaddress":
				who.Type, who.EmailAddress = new(api.TypeAmazonCustomerByEmail), &value
			default:
				return l, invalid("Argument format not recognized")
			}
			if err := s.add(&l, &who, permissions[i]); err != nil {
				return l, err
			}
		}
	}
	return l, nil
}

// bodyList reads a document, which must name the owner as it is.
func (s *Service) bodyList(g grantees, owner string) (cloud.ACL, error) {
	l := cloud.ACL{Owner: owner}
	if g.body.Owner == nil || g.body.Owner.ID == nil {
		return l, malformedACL()
	}
	if *g.body.Owner.ID != *s.ownerOf(owner).ID {
		return l, denied()
	}
	for _, grant := range g.body.Grants {
		if grant.Grantee == nil || !slices.Contains(permissions, val(grant.Permission)) {
			return l, malformedACL()
		}
		if err := s.add(&l, grant.Grantee, *grant.Permission); err != nil {
			return l, err
		}
	}
	return l, nil
}

// add adds a grant.
func (s *Service) add(l *cloud.ACL, who *api.Grantee, permission string) error {
	g := cloud.ACLGrant{Permission: permission}
	switch val(who.Type) {
	case api.TypeCanonicalUser:
		var ok bool
		if g.Account, ok = s.accountOf(val(who.ID)); !ok {
			return invalid("Invalid id")
		}
	case api.TypeGroup:
		switch name, _ := strings.CutPrefix(val(who.URI), groupPrefix); name {
		case "global/AllUsers":
			g.Group = cloud.GroupAllUsers
		case "global/AuthenticatedUsers":
			g.Group = cloud.GroupAuthenticated
		case "s3/LogDelivery":
			g.Group = cloud.GroupLogDelivery
		default:
			return invalid("Invalid group uri")
		}
	case api.TypeAmazonCustomerByEmail:
		return failure(http.StatusMethodNotAllowed, "MethodNotAllowed", "Grants by email address are not supported: name the grantee by the canonical user ID.")
	default:
		return malformedACL()
	}
	if len(l.Grants) == maxGrants {
		return failure(http.StatusBadRequest, "MalformedACLError", "The ACL has more than %d grants.", maxGrants)
	}
	l.Grants = append(l.Grants, g)
	return nil
}

// accountOf finds the account of a canonical user ID.
func (s *Service) accountOf(id string) (string, bool) {
	if len(id) != 64 {
		return "", false
	}
	for a := range accountTable.All(s.DB.View()) {
		if *s.ownerOf(a.ID).ID == id {
			return a.ID, true
		}
	}
	return "", false
}

// shownGrants are grants as the API tells them.
func (s *Service) shownGrants(l cloud.ACL) []api.Grant {
	list := []api.Grant{}
	for _, g := range l.Grants {
		who := &api.Grantee{}
		switch g.Group {
		case "":
			who.Type, who.ID = new(api.TypeCanonicalUser), s.ownerOf(g.Account).ID
		case cloud.GroupLogDelivery:
			who.Type, who.URI = new(api.TypeGroup), new(groupPrefix+"s3/"+g.Group)
		default:
			who.Type, who.URI = new(api.TypeGroup), new(groupPrefix+"global/"+g.Group)
		}
		list = append(list, api.Grant{Grantee: who, Permission: new(g.Permission)})
	}
	return list
}

func malformedACL() error {
	return failure(http.StatusBadRequest, "MalformedACLError", "The XML you provided was not well-formed or did not validate against our published schema")
}

func aclNotSupported() error {
	return failure(http.StatusBadRequest, "AccessControlListNotSupported", "The bucket does not allow ACLs")
}
