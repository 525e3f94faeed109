package organizations

import (
	"context"
	"iter"
	"slices"
	"unicode/utf8"

	api "github.com/vauban-cloud/vauban/awsapi/organizations"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/store"
)

// The limits of units:
// https://docs.aws.amazon.com/organizations/latest/userguide/orgs_reference_limits.html
const (
	maxUnits = 2000
	maxDepth = 5 // below the root
)

// CreateOrganizationalUnit makes a unit below a root or another unit.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_CreateOrganizationalUnit.html
func (s *Service) CreateOrganizationalUnit(ctx context.Context, in *api.CreateOrganizationalUnitRequest) (*api.CreateOrganizationalUnitResponse, error) {
	if err := s.manage(ctx, "CreateOrganizationalUnit", tagKeys(in.Tags), in.ParentId); err != nil {
		return nil, err
	}
	if err := check("ParentId", in.ParentId, parentKinds...); err != nil {
		return nil, err
	}
	if err := checkName(in.Name); err != nil {
		return nil, err
	}
	tags, err := addTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	var out *api.OrganizationalUnit
	err = s.update(ctx, func(tx *store.Tx, t tree) error {
		if _, ok := t.find(*in.ParentId); !ok {
			return noParent(*in.ParentId)
		}
		if err := t.freeName(*in.ParentId, *in.Name, ""); err != nil {
			return err
		}
		switch {
		case len(t.above(*in.ParentId)) >= maxDepth:
			return constraint("OU_DEPTH_LIMIT_EXCEEDED", "Organizational units lie at most %d levels below the root.", maxDepth)
		case unitTable.Count(tx, "") >= maxUnits:
			return constraint("OU_NUMBER_LIMIT_EXCEEDED", "An organization has at most %d organizational units.", maxUnits)
		}
		u := cloud.OrganizationalUnit{ID: t.newUnitID(), Name: *in.Name, Parent: *in.ParentId, Created: s.Directory.Now().UTC(), Tags: tags}
		if err := unitTable.Create(tx, u); err != nil {
			return err
		}
		out = t.showUnit(u)
		return attachFullAccess(tx, t.org, u.ID)
	})
	return &api.CreateOrganizationalUnitResponse{OrganizationalUnit: out}, err
}

// DescribeOrganizationalUnit returns a unit.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DescribeOrganizationalUnit.html
func (s *Service) DescribeOrganizationalUnit(ctx context.Context, in *api.DescribeOrganizationalUnitRequest) (*api.DescribeOrganizationalUnitResponse, error) {
	if err := s.manage(ctx, "DescribeOrganizationalUnit", nil, in.OrganizationalUnitId); err != nil {
		return nil, err
	}
	if err := check("OrganizationalUnitId", in.OrganizationalUnitId, unitKind); err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	u, ok := unitTable.Get(t, *in.OrganizationalUnitId)
	if !ok {
		return nil, noUnit(*in.OrganizationalUnitId)
	}
	return &api.DescribeOrganizationalUnitResponse{OrganizationalUnit: t.showUnit(u)}, nil
}

// UpdateOrganizationalUnit renames a unit; its ID, and what is in it, stay.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_UpdateOrganizationalUnit.html
func (s *Service) UpdateOrganizationalUnit(ctx context.Context, in *api.UpdateOrganizationalUnitRequest) (*api.UpdateOrganizationalUnitResponse, error) {
	if err := s.manage(ctx, "UpdateOrganizationalUnit", nil, in.OrganizationalUnitId); err != nil {
		return nil, err
	}
	if err := check("OrganizationalUnitId", in.OrganizationalUnitId, unitKind); err != nil {
		return nil, err
	}
	if in.Name != nil {
		if err := checkName(in.Name); err != nil {
			return nil, err
		}
	}
	var out *api.OrganizationalUnit
	err := s.update(ctx, func(tx *store.Tx, t tree) error {
		u, ok := unitTable.Get(tx, *in.OrganizationalUnitId)
		if !ok {
			return noUnit(*in.OrganizationalUnitId)
		}
		if in.Name != nil {
			if err := t.freeName(u.Parent, *in.Name, u.ID); err != nil {
				return err
			}
			u.Name = *in.Name
		}
		out = t.showUnit(u)
		return unitTable.Put(tx, u)
	})
	return &api.UpdateOrganizationalUnitResponse{OrganizationalUnit: out}, err
}

// DeleteOrganizationalUnit deletes a unit that has neither accounts nor units.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_DeleteOrganizationalUnit.html
func (s *Service) DeleteOrganizationalUnit(ctx context.Context, in *api.DeleteOrganizationalUnitRequest) (*api.DeleteOrganizationalUnitOutput, error) {
	if err := s.manage(ctx, "DeleteOrganizationalUnit", nil, in.OrganizationalUnitId); err != nil {
		return nil, err
	}
	if err := check("OrganizationalUnitId", in.OrganizationalUnitId, unitKind); err != nil {
		return nil, err
	}
	id := *in.OrganizationalUnitId
	err := s.update(ctx, func(tx *store.Tx, t tree) error {
		if _, ok := t.find(id); !ok {
			return noUnit(id)
		}
		if accountTable.Count(tx, cloud.ParentLabel(id)) > 0 || unitTable.Count(tx, cloud.ParentLabel(id)) > 0 {
			return cloud.Errorf("OrganizationalUnitNotEmptyException", "Organizational unit %s is not empty: move its accounts, and delete the units in it first.", id)
		}
		for p := range controlTable.Select(tx, cloud.TargetLabel(id)) {
			if err := detach(tx, p.ID, id); err != nil {
				return err
			}
		}
		return unitTable.Delete(tx, id)
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteOrganizationalUnitOutput{}, nil
}

// ListOrganizationalUnitsForParent lists the units directly below a root or a unit.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListOrganizationalUnitsForParent.html
func (s *Service) ListOrganizationalUnitsForParent(ctx context.Context, in *api.ListOrganizationalUnitsForParentRequest) (*api.ListOrganizationalUnitsForParentResponse, error) {
	if err := s.manage(ctx, "ListOrganizationalUnitsForParent", nil, in.ParentId); err != nil {
		return nil, err
	}
	if err := s.parent(in.ParentId); err != nil {
		return nil, err
	}
	p, err := s.page("ListOrganizationalUnitsForParent", in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	units, next := cut(p, t.unitsBelow(*in.ParentId), cloud.OrganizationalUnit.Key, func(u cloud.OrganizationalUnit) api.OrganizationalUnit { return *t.showUnit(u) })
	return &api.ListOrganizationalUnitsForParentResponse{OrganizationalUnits: units, NextToken: next}, nil
}

// ListChildren lists the units or the accounts directly below a root or a unit.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListChildren.html
func (s *Service) ListChildren(ctx context.Context, in *api.ListChildrenRequest) (*api.ListChildrenResponse, error) {
	if err := s.manage(ctx, "ListChildren", nil, in.ParentId); err != nil {
		return nil, err
	}
	if err := s.parent(in.ParentId); err != nil {
		return nil, err
	}
	p, err := s.page("ListChildren", in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	child := func(id string) api.Child { return api.Child{Id: new(id), Type: in.ChildType} }
	out := &api.ListChildrenResponse{}
	switch k := val(in.ChildType); k {
	case api.ChildTypeACCOUNT:
		out.Children, out.NextToken = cut(p, t.accountsBelow(*in.ParentId), cloud.Account.Key, func(a cloud.Account) api.Child { return child(a.ID) })
	case api.ChildTypeORGANIZATIONALUNIT:
		out.Children, out.NextToken = cut(p, t.unitsBelow(*in.ParentId), cloud.OrganizationalUnit.Key, func(u cloud.OrganizationalUnit) api.Child { return child(u.ID) })
	case "":
		return nil, required("ChildType")
	default:
		return nil, unknown("INVALID_ENUM", "ChildType", k, childKinds)
	}
	return out, nil
}

// ListParents returns the one root or unit that an account or a unit is in.
// https://docs.aws.amazon.com/organizations/latest/APIReference/API_ListParents.html
func (s *Service) ListParents(ctx context.Context, in *api.ListParentsRequest) (*api.ListParentsResponse, error) {
	if err := s.manage(ctx, "ListParents", nil, in.ChildId); err != nil {
		return nil, err
	}
	if err := check("ChildId", in.ChildId, childKinds...); err != nil {
		return nil, err
	}
	p, err := s.page("ListParents", in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	t, err := s.tree(s.Directory.DB.View())
	if err != nil {
		return nil, err
	}
	e, ok := t.find(*in.ChildId)
	if !ok {
		return nil, cloud.Errorf("ChildNotFoundException", "You specified an account or organizational unit that doesn't exist: %s.", *in.ChildId)
	}
	parents, next := cut(p, slices.Values([]string{e.parent}), func(id string) string { return id }, func(id string) api.Parent {
		return api.Parent{Id: new(id), Type: new(string(kindOf(id)))}
	})
	return &api.ListParentsResponse{Parents: parents, NextToken: next}, nil
}

func (t tree) unitsBelow(parent string) iter.Seq[cloud.OrganizationalUnit] {
	return unitTable.Select(t, cloud.ParentLabel(parent))
}

// showUnit is a unit that is in the tree, as the API shows it.
func (t tree) showUnit(u cloud.OrganizationalUnit) *api.OrganizationalUnit {
	return &api.OrganizationalUnit{Id: &u.ID, Arn: new(t.arn(u.ID)), Name: &u.Name, Path: new(t.path(u.ID))}
}

// freeName refuses a name that another unit below the parent has; own is the unit
// that is to have it.
func (t tree) freeName(parent, name, own string) error {
	for u := range t.unitsBelow(parent) {
		if u.Name == name && u.ID != own {
			return cloud.Errorf("DuplicateOrganizationalUnitException", "%s has an organizational unit named %q already: %s.", parent, name, u.ID)
		}
	}
	return nil
}

// newUnitID returns "ou-", the letters and digits of the root, "-", and 8 more.
func (t tree) newUnitID() string {
	for {
		id := "ou-" + t.org.Root[len("r-"):] + "-" + cloud.LowerID(8)
		if _, taken := t.find(id); !taken {
			return id
		}
	}
}

// checkName refuses names that no unit and no policy can have.
func checkName(name *string) error {
	switch n := utf8.RuneCountInString(val(name)); {
	case n == 0:
		return required("Name")
	case n > 128 || !utf8.ValidString(*name):
		return invalid("MAX_LENGTH_EXCEEDED", "A name has at most 128 characters.")
	}
	return nil
}
