package iam

import (
	"fmt"
	"sync"
	"testing"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

// A thousand changes of one role at once: none undoes another.
func TestConcurrentChanges(t *testing.T) {
	r := newRig(t)
	r.addRole("role")
	r.addUser("carol")
	trusted := trusting(`{"AWS":"arn:aws:iam::` + alice + `:user/carol"}`)
	short := `{"Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}`
	role := new("role")
	work := map[string]func(i int) error{
		"tag": func(i int) error {
			return second(r.TagRole(r.ctx, &api.TagRoleRequest{RoleName: role, Tags: tags(fmt.Sprint("key", i%40), fmt.Sprint(i))}))
		},
		"put": func(i int) error {
			return second(r.PutRolePolicy(r.ctx, &api.PutRolePolicyRequest{RoleName: role, PolicyName: new(fmt.Sprint("p", i%100)), PolicyDocument: &short}))
		},
		"trust": func(int) error {
			return second(r.UpdateAssumeRolePolicy(r.ctx, &api.UpdateAssumeRolePolicyRequest{RoleName: role, PolicyDocument: &trusted}))
		},
		"describe": func(i int) error {
			return second(r.UpdateRole(r.ctx, &api.UpdateRoleRequest{RoleName: role, MaxSessionDuration: new(int32(3600 + i))}))
		},
		"attach": func(i int) error {
			return second(r.AttachRolePolicy(r.ctx, &api.AttachRolePolicyRequest{RoleName: role, PolicyArn: new([]string{admin, password}[i%2])}))
		},
	}
	start := make(chan struct{})
	var all sync.WaitGroup
	for what, do := range work {
		for i := range 200 {
			all.Go(func() {
				<-start
				if err := do(i); err != nil {
					t.Errorf("%s %d: %v", what, i, err)
				}
			})
		}
	}
	close(start)
	all.Wait()
	kept, _ := roles.named(r.db().View(), alice, "role")
	if len(kept.Tags) != 40 || len(kept.Inline) != 100 || len(kept.Attached) != 2 || kept.MaxSession < 3600 {
		t.Errorf("the role has %d tags, %d inline policies, attached %v, sessions of %d s", len(kept.Tags), len(kept.Inline), kept.Attached, kept.MaxSession)
	}
	if r.trust("role") != trusted {
		t.Errorf("trust is %s", r.trust("role"))
	}
}

// Of many who make the same thing at once, one does.
func TestConcurrentCreation(t *testing.T) {
	r := newRig(t)
	r.addUser("carol")
	var made, keys, taken, full int
	var mu sync.Mutex
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			_, group := r.CreateGroup(r.ctx, &api.CreateGroupRequest{GroupName: new("staff")})
			_, key := r.CreateAccessKey(r.ctx, &api.CreateAccessKeyRequest{UserName: new("carol")})
			mu.Lock()
			defer mu.Unlock()
			switch code(group) {
			case "":
				made++
			case "EntityAlreadyExists":
				taken++
			}
			switch code(key) {
			case "":
				keys++
			case "LimitExceeded":
				full++
			}
		})
	}
	all.Wait()
	if made != 1 || taken != 99 || keys != 2 || full != 98 {
		t.Errorf("%d groups and %d keys were made, %d and %d refused", made, keys, taken, full)
	}
}
