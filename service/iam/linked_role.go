package iam

import (
	"context"
	"errors"
	"strings"

	"github.com/google/uuid"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
	"github.com/vauban-cloud/vauban/cloud"
	"github.com/vauban-cloud/vauban/identity"
	"github.com/vauban-cloud/vauban/store"
)

// serviceKey is the condition key that names the service of a service-linked role.
const serviceKey = "iam:AWSServiceName"

// CreateServiceLinkedRole makes the role of a service: only the service can assume
// it, and tenants cannot change it.
func (s *Service) CreateServiceLinkedRole(ctx context.Context, in *api.CreateServiceLinkedRoleRequest) (*api.CreateServiceLinkedRoleResponse, error) {
	account, service := cloud.CallerFrom(ctx).Account, val(in.AWSServiceName)
	linked, known := linkedServices[service]
	name := linked.role
	if in.CustomSuffix != nil {
		name += "_" + *in.CustomSuffix
	}
	if !known {
		name = ""
	}
	resource := roles.aboutName(s, account, serviceRolePath+service+"/", name)
	if _, err := s.allow(ctx, "CreateServiceLinkedRole", keys{}.with(serviceKey, service), resource); err != nil {
		return nil, err
	}
	if err := checkName("aWSServiceName", service, maxName); err != nil {
		return nil, err
	}
	if in.CustomSuffix != nil {
		if err := checkName("customSuffix", *in.CustomSuffix, maxUserName); err != nil {
			return nil, err
		}
	}
	switch {
	case !known:
		return nil, invalidInput("Service %s has no service-linked role: check the name of the service.", service)
	case in.CustomSuffix != nil && !linked.suffix:
		return nil, invalidInput("Custom suffix is not allowed for %s", service)
	}
	role := cloud.Role{
		Meta: s.meta(identity.RolePrefix, account, nil), Name: name, Path: serviceRolePath + service + "/", Service: service,
		Description: val(in.Description), MaxSession: minSession,
		Trust: `{"Version":"2012-10-17","Statement":[{"Action":["sts:AssumeRole"],"Effect":"Allow","Principal":{"Service":["` + service + `"]}}]}`,
	}
	if arn := "arn:aws:iam::aws:policy" + serviceRolePath + linked.policy; managedByCloud(arn) {
		role.Attached = []string{arn}
	}
	if err := roles.check(name); err != nil {
		return nil, err
	}
	if err := checkRole(role); err != nil {
		return nil, err
	}
	err := s.db().Update(ctx, func(tx *store.Tx) error {
		if _, taken := roles.named(tx, account, name); taken {
			return invalidInput("Service role name %s has been taken in this account, please try a different suffix.", name)
		}
		return roles.create(tx, role)
	})
	if err != nil {
		return nil, err
	}
	return &api.CreateServiceLinkedRoleResponse{Role: new(s.showRole(s.db().View(), role, true))}, nil
}

func managedByCloud(arn string) bool {
	_, ok := identity.Catalogue().Find(arn)
	return ok
}

// DeleteServiceLinkedRole deletes the role of a service. No service of the cloud
// holds on to its role, so that it is gone when the task is named.
func (s *Service) DeleteServiceLinkedRole(ctx context.Context, in *api.DeleteServiceLinkedRoleRequest) (*api.DeleteServiceLinkedRoleResponse, error) {
	c, role, err := find(ctx, s, roles, in.RoleName, question{action: "DeleteServiceLinkedRole"})
	if err != nil {
		return nil, err
	}
	if role.Service == "" {
		return nil, noSuch("The service-linked role with name %s cannot be found: to delete a role of your own, use DeleteRole.", role.Name)
	}
	d := cloud.RoleDeletion{
		Task:    "task" + serviceRolePath + role.Service + "/" + role.Name + "/" + uuid.NewString(),
		Account: c.Account, Created: s.Judge.Now().UTC(),
	}
	err = remove(ctx, s, roles, role, func(tx *store.Tx, r cloud.Role) error {
		return errors.Join(forget(tx, r.ID), s.keepDeletion(tx, d))
	})
	if err != nil {
		return nil, err
	}
	return &api.DeleteServiceLinkedRoleResponse{DeletionTaskId: &d.Task}, nil
}

// maxDeletions is how many deletions of an account are kept: the newest.
const maxDeletions = 100

func (s *Service) keepDeletion(tx *store.Tx, d cloud.RoleDeletion) error {
	for deletionTable.Count(tx, cloud.AccountLabel(d.Account)) >= maxDeletions {
		var oldest cloud.RoleDeletion
		for other := range deletionTable.Select(tx, cloud.AccountLabel(d.Account)) {
			if oldest.Task == "" || other.Created.Before(oldest.Created) {
				oldest = other
			}
		}
		if err := deletionTable.Delete(tx, oldest.Key()); err != nil {
			return err
		}
	}
	return deletionTable.Create(tx, d)
}

// GetServiceLinkedRoleDeletionStatus tells how the deletion of a service-linked role
// went.
func (s *Service) GetServiceLinkedRoleDeletionStatus(ctx context.Context, in *api.GetServiceLinkedRoleDeletionStatusRequest) (*api.GetServiceLinkedRoleDeletionStatusResponse, error) {
	account, task := cloud.CallerFrom(ctx).Account, val(in.DeletionTaskId)
	resource := roles.aboutName(s, account, "/", "")
	if parts := strings.Split(task, "/"); len(parts) == 5 && parts[0] == "task" {
		resource = roles.aboutName(s, account, serviceRolePath+parts[2]+"/", parts[3])
	}
	if _, err := s.allow(ctx, "GetServiceLinkedRoleDeletionStatus", nil, resource); err != nil {
		return nil, err
	}
	if err := checkLength("deletionTaskId", task, 1, 1000); err != nil {
		return nil, err
	}
	d := cloud.RoleDeletion{Task: task, Account: account}
	if _, ok := deletionTable.Get(s.db().View(), d.Key()); !ok {
		return nil, noSuch("The deletion task %s cannot be found.", task)
	}
	return &api.GetServiceLinkedRoleDeletionStatusResponse{Status: new(api.DeletionTaskStatusTypeSUCCEEDED)}, nil
}
