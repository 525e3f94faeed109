package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// TestIdentity has real clients act as users, roles and sessions of a tenant's
// account, which the operator made, on one cloud.
func TestIdentity(t *testing.T) {
	t.Parallel()
	f := newIdentityCloud(t)
	t.Run("users", f.users)
	t.Run("profiles", f.profiles)
	t.Run("boto3", f.boto3)
	t.Run("instance role", f.instanceRole)
	t.Run("control policies", f.controlPolicies)
	t.Run("tokens", f.badTokens)
	t.Run("documents", f.badDocuments)
	t.Run("changes at once", f.changesAtOnce)
	t.Run("why", f.why)
	t.Run("suspended", f.suspended) // last: it stops the account's guests
	t.Run("log", f.log)
}

// identityCloud is a cloud with an account of a tenant's.
type identityCloud struct {
	tenant
	c     *e2e.Cloud // as the root of the management account
	shop  *e2e.Cloud // as the root of the tenant's account
	idp   *provider
	ami   string
	guest *e2e.Guest // an instance of the tenant's with the role "app"
}

func newIdentityCloud(t *testing.T) *identityCloud {
	f := &identityCloud{idp: newProvider(t)}
	f.c = e2e.Start(t, "--identity-providers", f.idp.host)
	f.ami = f.c.Tiny()
	var made struct {
		Account struct{ ID string } `json:"account"`
		Key     struct {
			ID     string `json:"access_key_id"`
			Secret string `json:"secret_access_key"`
		} `json:"root_key"`
	}
	out := f.c.Vauban("admin", "account", "create", "shop", "--email", "shop@example.org", "--root-key", "--json")
	if err := json.Unmarshal([]byte(out), &made); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	root := e2e.Keys{ID: made.Key.ID, Secret: made.Key.Secret}
	f.tenant, f.shop = newTenant(t, f.c, made.Account.ID, root), f.c.As(root)
	if got := f.shop.Query("Arn", "sts", "get-caller-identity"); got != f.arn("root") {
		t.Fatalf("the new account's key is that of %s", got)
	}
	return f
}

// refuses fails unless a command of the aws CLI is refused with the code, in words
// that hold the part.
func refuses(t *testing.T, c *e2e.Cloud, code, part string, args ...string) {
	t.Helper()
	out, err := c.TryAWS(args...)
	if err == nil || !strings.Contains(err.Error(), "("+code+")") || !strings.Contains(err.Error(), part) {
		t.Errorf("aws %s: want %s with %q, got %v\n%s", strings.Join(args, " "), code, part, err, out)
	}
}

// works fails unless a command of the aws CLI succeeds.
func works(t *testing.T, c *e2e.Cloud, args ...string) {
	t.Helper()
	if _, err := c.TryAWS(args...); err != nil {
		t.Errorf("aws %s: %v", strings.Join(args, " "), err)
	}
}

var describe = []string{"ec2", "describe-instances"}

// users has a user gain and lose permissions, each of which counts at once.
func (f *identityCloud) users(t *testing.T) {
	f.shop.AWS("iam", "create-user", "--user-name", "carol")
	key := strings.Fields(f.shop.Query("AccessKey.[AccessKeyId,SecretAccessKey]", "iam", "create-access-key", "--user-name", "carol"))
	carol := f.c.As(e2e.Keys{ID: key[0], Secret: key[1]})
	refuses(t, carol, "UnauthorizedOperation", "because no identity-based policy allows the ec2:DescribeInstances action", describe...)
	policy := f.shop.Query("Policy.Arn", "iam", "create-policy", "--policy-name", "read", "--policy-document", allow("ec2:Describe*"))
	f.shop.AWS("iam", "attach-user-policy", "--user-name", "carol", "--policy-arn", policy)
	works(t, carol, describe...)

	edge := f.shop.Query("Policy.Arn", "iam", "create-policy", "--policy-name", "edge", "--policy-document", allow("iam:*"))
	f.shop.AWS("iam", "put-user-permissions-boundary", "--user-name", "carol", "--permissions-boundary", edge)
	refuses(t, carol, "UnauthorizedOperation", "because no permissions boundary allows the ec2:DescribeInstances action", describe...)
	refuses(t, carol, "AccessDenied", "because no identity-based policy allows the iam:GetUser action", "iam", "get-user")
	f.shop.AWS("iam", "delete-user-permissions-boundary", "--user-name", "carol")
	works(t, carol, describe...)

	f.shop.AWS("iam", "put-user-policy", "--user-name", "carol", "--policy-name", "no", "--policy-document", strings.Replace(allow("ec2:DescribeInstances"), "Allow", "Deny", 1))
	refuses(t, carol, "UnauthorizedOperation", "with an explicit deny in an identity-based policy", describe...)
	works(t, carol, "ec2", "describe-volumes")
	f.shop.AWS("iam", "delete-user-policy", "--user-name", "carol", "--policy-name", "no")

	first := f.shop.Query("AccessKeyMetadata[0].AccessKeyId", "iam", "list-access-keys", "--user-name", "carol")
	if first != key[0] {
		t.Errorf("carol's key is %s, and is listed as %s", key[0], first)
	}
	f.shop.AWS("iam", "update-access-key", "--user-name", "carol", "--access-key-id", first, "--status", "Inactive")
	refuses(t, carol, "AuthFailure", "", describe...)
	f.shop.AWS("iam", "update-access-key", "--user-name", "carol", "--access-key-id", first, "--status", "Active")
	works(t, carol, describe...)
	f.shop.AWS("iam", "delete-access-key", "--user-name", "carol", "--access-key-id", first)
	refuses(t, carol, "AuthFailure", "", describe...)

	// The tenant is alone in its account.
	if _, err := f.c.TryAWS("iam", "get-user", "--user-name", "carol"); err == nil || !strings.Contains(err.Error(), "(NoSuchEntity)") {
		t.Errorf("the management account sees carol: %v", err)
	}
	refuses(t, f.shop, "DeleteConflict", "", "iam", "delete-user", "--user-name", "carol")
}

// profiles has every aws of the machine take roles by its configuration file: with
// an external ID, with a one-time password, and with a token of an identity
// provider.
func (f *identityCloud) profiles(t *testing.T) {
	dave := f.user("dave", allow("sts:AssumeRole"))
	user := `{"AWS":"` + f.arn("user/dave") + `"}`
	f.role("partner", user, "sts:AssumeRole", `{"StringEquals":{"sts:ExternalId":"x-42"}}`, allow("ec2:Describe*"))
	f.role("careful", user, "sts:AssumeRole", `{"Bool":{"aws:MultiFactorAuthPresent":"true"}}`, allow("ec2:Describe*"))
	f.trustProvider(t)
	config := func(serial string) []string {
		return f.config(t, dave, map[string]string{
			"partner":  "role_arn=" + f.arn("role/partner") + "\nsource_profile=dave\nexternal_id=x-42",
			"stranger": "role_arn=" + f.arn("role/partner") + "\nsource_profile=dave\nexternal_id=x-41",
			"careful":  "role_arn=" + f.arn("role/careful") + "\nsource_profile=dave\nmfa_serial=" + serial,
			"careless": "role_arn=" + f.arn("role/careful") + "\nsource_profile=dave",
			"pipeline": "role_arn=" + f.arn("role/pipeline") + "\nrole_session_name=job-7\nweb_identity_token_file=" + f.tokenFile(t, "repo:shop/web"),
			"forger":   "role_arn=" + f.arn("role/pipeline") + "\nrole_session_name=job-8\nweb_identity_token_file=" + f.tokenFile(t, "repo:other/web"),
		})
	}
	for n, program := range installed(t, "aws") {
		// A device for each: no password of one is accepted twice.
		serial, seed := f.phone(t, "dave", fmt.Sprint("phone-", n))
		variables := config(serial)
		run := func(profile, input string, args ...string) (string, error) {
			out, err := f.c.As(e2e.Keys{}, append(variables, "AWS_PROFILE="+profile)...).RunWith(input, program, append([]string{"--output", "text"}, args...)...)
			return strings.TrimSpace(out), err
		}
		is := func(profile, input, want string) {
			t.Helper()
			got, err := run(profile, input, "sts", "get-caller-identity", "--query", "Arn")
			if err != nil || !strings.HasPrefix(got[strings.LastIndex(got, "\n")+1:], want) {
				t.Errorf("%s as %s is %q, want %s: %v", program, profile, got, want, err)
			}
		}
		refused := func(profile, code string) {
			t.Helper()
			if out, err := run(profile, "", "ec2", "describe-instances"); err == nil || !strings.Contains(err.Error(), "("+code+")") {
				t.Errorf("%s as %s: want %s, got %v\n%s", program, profile, code, err, out)
			}
		}
		session := "arn:aws:sts::" + f.account + ":assumed-role/"
		is("partner", "", session+"partner/")
		if _, err := run("partner", "", describe...); err != nil {
			t.Errorf("%s as partner: %v", program, err)
		}
		if out, err := run("partner", "", "ec2", "create-volume", "--availability-zone", "eu-paris-1a", "--size", "1"); err == nil || !strings.Contains(err.Error(), "(UnauthorizedOperation)") {
			t.Errorf("%s as partner makes volumes: %v %s", program, err, out)
		}
		refused("stranger", "AccessDenied")
		refused("careless", "AccessDenied")
		code := codeAt(seed, now30()+1) // those of this step and the last enabled the device
		is("careful", code+"\n", session+"careful/")
		f.send(t, dave, "sts", url.Values{
			"Action": {"AssumeRole"}, "Version": {"2011-06-15"}, "RoleArn": {f.arn("role/careful")}, "RoleSessionName": {"again"}, "SerialNumber": {serial}, "TokenCode": {code},
		}, nil).is(t, "a one-time password that was used", http.StatusForbidden, "AccessDenied")
		is("pipeline", "", session+"pipeline/job-7")
		refused("forger", "AccessDenied")
		if n == 0 {
			f.sessions(t, variables)
		}
	}
}

// sessions has boto3 take the roles of profiles.
func (f *identityCloud) sessions(t *testing.T, variables []string) {
	const script = "import boto3, sys; print(boto3.Session(profile_name=sys.argv[1]).client('sts').get_caller_identity()['Arn'])"
	for _, python := range pythons(t) {
		for profile, want := range map[string]string{"partner": "/partner/botocore-session-", "pipeline": "/pipeline/job-7"} {
			out, err := f.c.As(e2e.Keys{}, variables...).Run(python, "-c", script, profile)
			if err != nil || !strings.Contains(out, want) {
				t.Errorf("%s as %s is %q: %v", python, profile, out, err)
			}
		}
	}
}

// pythons are those of the machine that have boto3.
func pythons(t *testing.T) (have []string) {
	t.Helper()
	for _, python := range installed(t, "python3") {
		if exec.CommandContext(t.Context(), python, "-c", "import boto3").Run() == nil {
			have = append(have, python)
		}
	}
	if len(have) == 0 {
		t.Error("no python3 has boto3: install python3-boto3")
	}
	return have
}

// config writes a configuration file of the aws CLI, and returns the variables that
// name it. Clients that do not know AWS_ENDPOINT_URL, such as Debian's, find the
// cloud in a list of endpoints; --endpoint-url is not for the calls that they make
// to take a role.
func (f *identityCloud) config(t *testing.T, k e2e.Keys, profiles map[string]string) []string {
	t.Helper()
	dir := t.TempDir()
	var b strings.Builder
	fmt.Fprintf(&b, "[profile dave]\naws_access_key_id=%s\naws_secret_access_key=%s\n", k.ID, k.Secret)
	for name, text := range profiles {
		fmt.Fprintf(&b, "[profile %s]\n%s\n", name, text)
	}
	endpoints := `{"version":3,"partitions":[{"partition":"aws","partitionName":"vauban","dnsSuffix":"localhost","regionRegex":"^.*$",
		"defaults":{"hostname":"` + f.c.Addr + `","protocols":["http"],"signatureVersions":["v4"]},"regions":{"eu-paris-1":{"description":""}},"services":{}}]}`
	for name, text := range map[string]string{"config": b.String(), "endpoints.json": endpoints} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// In a home of its own no client finds the credentials that another has kept.
	return []string{"HOME=" + dir, "AWS_CONFIG_FILE=" + filepath.Join(dir, "config"), "AWS_DATA_PATH=" + dir}
}

// boto3 has every boto3 of the machine take a role, pass session policies and tags,
// and see what the session may do.
func (f *identityCloud) boto3(t *testing.T) {
	erin := f.c.As(f.user("erin", allow("sts:*")))
	arn := f.role("tagged", `{"AWS":"`+f.account+`"}`, "sts:*", "", allow("ec2:*"))
	for _, python := range pythons(t) {
		if out, err := erin.Run(python, "testdata/boto3_identity.py", "http://"+f.c.Addr, arn); err != nil {
			t.Errorf("%s: %v\n%s", python, err, out)
		}
	}
}

// instanceRole has a program in a guest call the cloud as the instance's role, and
// another role take its place.
func (f *identityCloud) instanceRole(t *testing.T) {
	f.c.Eventually("the account has its network", 30*time.Second, func() error {
		return contains(f.shop.Query("Vpcs[].IsDefault", "ec2", "describe-vpcs"), "True")
	})
	f.profile("app", allow("ec2:DescribeInstances"))
	f.profile("other", allow("ec2:DescribeVolumes"))
	key, group := f.shop.Key("app"), f.shop.OpenGroup("ssh")
	g := f.shop.Launch(f.ami, key, "--security-group-ids", group, "--iam-instance-profile", "Name=app", "--metadata-options", "HttpTokens=required")
	f.guest = g

	program := filepath.Join(t.TempDir(), "rolecaller")
	build := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-s -w", "-o", program, "./rolecaller")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	g.SSH("true")
	g.Put(program, "/tmp/rolecaller")
	call := func() string {
		t.Helper()
		out, err := g.TryWithEndpoint("/tmp/rolecaller -endpoint http://" + f.c.Addr)
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return out
	}
	said := call()
	for _, want := range []string{"is arn:aws:sts::" + f.account + ":assumed-role/app/" + g.ID, "DescribeInstances ok", "DescribeVolumes UnauthorizedOperation"} {
		if !strings.Contains(said, want) {
			t.Errorf("the guest said %q, want %q in it", said, want)
		}
	}
	untold := "(printf 'GET /latest/meta-data/iam/security-credentials/app HTTP/1.0\\r\\nHost: x\\r\\n\\r\\n'; sleep 1) | nc -w 3 169.254.169.254 80"
	if out := g.SSH(untold); !strings.Contains(out, " 401 ") || strings.Contains(out, "Secret") {
		t.Errorf("without a token of IMDSv2 the guest reads %q", out)
	}
	association := f.shop.Query("IamInstanceProfileAssociations[0].AssociationId", "ec2", "describe-iam-instance-profile-associations")
	f.shop.AWS("ec2", "replace-iam-instance-profile-association", "--association-id", association, "--iam-instance-profile", "Name=other")
	f.c.Eventually("the guest has the other role", 20*time.Second, func() error { return contains(call(), "assumed-role/other/"+g.ID) })
	if said := call(); !strings.Contains(said, "DescribeInstances UnauthorizedOperation") || !strings.Contains(said, "DescribeVolumes ok") {
		t.Errorf("as the other role the guest said %q", said)
	}
}

// controlPolicies has the management account bound the tenant, its root included.
func (f *identityCloud) controlPolicies(t *testing.T) {
	works(t, f.shop, "ec2", "describe-volumes")
	id := f.c.Query("Policy.PolicySummary.Id", "organizations", "create-policy", "--name", "no volumes", "--description", "", "--type", "SERVICE_CONTROL_POLICY",
		"--content", strings.Replace(allow("ec2:DescribeVolumes"), "Allow", "Deny", 1))
	f.c.AWS("organizations", "attach-policy", "--policy-id", id, "--target-id", f.account)
	refuses(t, f.shop, "UnauthorizedOperation", "with an explicit deny in a service control policy", "ec2", "describe-volumes")
	works(t, f.c, "ec2", "describe-volumes")
	works(t, f.shop, describe...)
	f.c.AWS("organizations", "detach-policy", "--policy-id", id, "--target-id", f.account)
	works(t, f.shop, "ec2", "describe-volumes")
	refuses(t, f.shop, "AccessDeniedException", "", "organizations", "list-accounts")
}

// why has the operator asked why something is allowed, and why something is not.
func (f *identityCloud) why(t *testing.T) {
	out := f.c.Vauban("why", "--principal", f.arn("user/carol"), "--action", "ec2:DescribeInstances")
	for _, want := range []string{"ALLOWED", f.arn("policy/read")} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in %s", want, out)
		}
	}
	out, err := f.c.Try("why", "--principal", f.arn("user/carol"), "--action", "ec2:RunInstances")
	if err == nil || !strings.Contains(err.Error(), "exit status 2") || !strings.Contains(out, "DENIED") {
		t.Errorf("why carol may not launch: %v\n%s", err, out)
	}
}

// suspended has the operator suspend the tenant: no call works, and its guests stop.
func (f *identityCloud) suspended(t *testing.T) {
	f.c.Vauban("admin", "account", "suspend", f.account)
	if _, err := f.shop.TryAWS(describe...); err == nil || !strings.Contains(err.Error(), "suspended") {
		t.Errorf("a suspended account's call: %v", err)
	}
	f.c.Eventually("its guests have stopped", 2*time.Minute, func() error {
		if n := len(f.c.Processes("qemu-system-x86_64")); n > 0 {
			return fmt.Errorf("%d run", n)
		}
		return nil
	})
	works(t, f.c, describe...)
	f.c.Vauban("admin", "account", "activate", f.account)
	if f.guest == nil {
		return // it failed to start, as said
	}
	f.guest.Await("stopped")
	f.shop.AWS("ec2", "start-instances", "--instance-ids", f.guest.ID)
	f.guest.Await("running")
}

// log looks for all that the operator did.
func (f *identityCloud) log(t *testing.T) {
	var records []struct{ Operator, Command, Outcome string }
	out := f.c.Vauban("admin", "log", "--json")
	if err := json.Unmarshal([]byte(out), &records); err != nil {
		t.Fatalf("%v in %s", err, out)
	}
	seen := map[string]string{}
	for _, r := range records {
		seen[r.Command] = r.Operator + " " + r.Outcome
	}
	for _, command := range []string{"account create", "account suspend", "account activate", "why", "image import"} {
		if seen[command] != "local ok" {
			t.Errorf("of %q the log says %q: %s", command, seen[command], out)
		}
	}
}
