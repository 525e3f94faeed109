package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
)

// AWS runs the aws CLI, which must succeed, and returns what it printed.
func (c *Cloud) AWS(args ...string) string {
	c.t.Helper()
	out, err := c.TryAWS(args...)
	if err != nil {
		c.t.Fatalf("aws %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// TryAWS runs the aws CLI. It names the endpoint on the command line too, since
// Debian 12's is older than AWS_ENDPOINT_URL.
func (c *Cloud) TryAWS(args ...string) (string, error) {
	return c.Run("aws", append([]string{"--endpoint-url", "http://" + c.Addr, "--output", "json"}, args...)...)
}

// Query runs the aws CLI with a JMESPath query, and returns its plain text.
func (c *Cloud) Query(query string, args ...string) string {
	c.t.Helper()
	return strings.TrimSpace(c.AWS(append(args, "--query", query, "--output", "text")...))
}

// Python runs a boto3 script, with the variables that the cloud's env prints.
func (c *Cloud) Python(script string, args ...string) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), "script.py")
	if err := os.WriteFile(path, []byte(script), 0o600); err != nil {
		c.t.Fatal(err)
	}
	python := "python3"
	if exec.Command(python, "-c", "import boto3").Run() != nil { //nolint:noctx // at once
		python = "/usr/bin/python3" // where Debian's python3-boto3 is, if another python comes first
	}
	out, err := c.Run(python, append([]string{path}, args...)...)
	if err != nil {
		c.t.Fatalf("python: %v\n%s", err, out)
	}
	return out
}

// Keys are credentials of a client. Token is that of temporary ones.
type Keys struct{ ID, Secret, Token string }

// As is the cloud as somebody with other credentials sees it. Variables may follow
// that say more of the client, e.g. "AWS_PROFILE=deploy".
func (c *Cloud) As(k Keys, variables ...string) *Cloud {
	other := *c
	other.Env = nil
	for _, v := range c.Env {
		if name, _, _ := strings.Cut(v, "="); name != "AWS_ACCESS_KEY_ID" && name != "AWS_SECRET_ACCESS_KEY" && name != "AWS_SESSION_TOKEN" {
			other.Env = append(other.Env, v)
		}
	}
	if k.ID != "" {
		other.Env = append(other.Env, "AWS_ACCESS_KEY_ID="+k.ID, "AWS_SECRET_ACCESS_KEY="+k.Secret)
	}
	if k.Token != "" {
		other.Env = append(other.Env, "AWS_SESSION_TOKEN="+k.Token)
	}
	other.Env = append(other.Env, variables...)
	return &other
}

// Run runs a client, by name or path, with the cloud's variables and none of the
// machine's AWS settings.
func (c *Cloud) Run(name string, args ...string) (string, error) {
	return c.RunWith("", name, args...)
}

// RunWith is Run with something to read for the client, which has no terminal.
func (c *Cloud) RunWith(input, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "AWS_") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_MAX_ATTEMPTS=1", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
	cmd.Env = append(cmd.Env, c.Env...)
	cmd.Stdin = strings.NewReader(input)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// EC2 returns a client of the Go SDK.
func (c *Cloud) EC2() *ec2.Client {
	var key, secret, region string
	for _, v := range c.Env {
		switch name, value, _ := strings.Cut(v, "="); name {
		case "AWS_ACCESS_KEY_ID":
			key = value
		case "AWS_SECRET_ACCESS_KEY":
			secret = value
		case "AWS_REGION":
			region = value
		}
	}
	return NewEC2("http://"+c.Addr, region, key, secret)
}

// NewEC2 returns a client of the Go SDK for a cloud at the endpoint.
func NewEC2(endpoint, region, key, secret string) *ec2.Client {
	return ec2.New(ec2.Options{
		BaseEndpoint: &endpoint, Region: region,
		Credentials: credentials.NewStaticCredentialsProvider(key, secret, ""),
		HTTPClient:  inMemory{awshttp.NewBuildableClient()},
	})
}

// inMemory sends requests with bodies that net/http knows to be in memory, and
// so writes at once. Those of the SDK it writes piece by piece, and takes it for
// a broken connection when an answer is there before it has looked past the last:
// smithy's reader then says io.EOF where io.WriterTo wants nil. The SDK's retries
// hide that, but these clients have none.
type inMemory struct{ aws.HTTPClient }

// Do sends the request.
func (c inMemory) Do(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return c.HTTPClient.Do(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return c.HTTPClient.Do(r)
}

// Guest is an instance that lets one in.
type Guest struct {
	c       *Cloud
	ID      string
	Public  string
	Private string
	key     string
	bastion *Guest // one reaches it through that, if set
}

// Key makes a key pair by the aws CLI and returns the path of its private half.
func (c *Cloud) Key(name string) string {
	c.t.Helper()
	path := filepath.Join(c.t.TempDir(), name+".pem")
	material := c.Query("KeyMaterial", "ec2", "create-key-pair", "--key-name", name, "--key-type", "ed25519")
	if err := os.WriteFile(path, []byte(material+"\n"), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return path
}

// OpenGroup makes a security group of the default VPC that lets SSH and ping in.
func (c *Cloud) OpenGroup(name string) string {
	c.t.Helper()
	id := c.Query("GroupId", "ec2", "create-security-group", "--group-name", name, "--description", "open to SSH and ping")
	c.AWS("ec2", "authorize-security-group-ingress", "--group-id", id, "--protocol", "tcp", "--port", "22", "--cidr", "0.0.0.0/0")
	c.AWS("ec2", "authorize-security-group-ingress", "--group-id", id, "--protocol", "icmp", "--port", "-1", "--cidr", "0.0.0.0/0")
	return id
}

// Launch runs one instance by the aws CLI and waits until it runs. key is the
// path that Key returned.
func (c *Cloud) Launch(image, key string, flags ...string) *Guest {
	c.t.Helper()
	name := strings.TrimSuffix(filepath.Base(key), ".pem")
	args := append([]string{"ec2", "run-instances", "--image-id", image, "--instance-type", "t2.nano", "--key-name", name}, flags...)
	g := &Guest{c: c, ID: c.Query("Instances[0].InstanceId", args...), key: key}
	g.Await("running")
	return g
}

// Await waits until the instance is in that state, and notes its addresses.
func (g *Guest) Await(state string) {
	g.c.t.Helper()
	var i struct{ State, Public, Private, Reason string }
	g.c.Eventually(g.ID+" is "+state, 3*time.Minute, func() error {
		out, err := g.c.TryAWS("ec2", "describe-instances", "--instance-ids", g.ID, "--query",
			"Reservations[0].Instances[0].{State:State.Name,Public:PublicIpAddress,Private:PrivateIpAddress,Reason:StateReason.Message}")
		if err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(out), &i); err != nil {
			return err
		}
		if i.State != state {
			return fmt.Errorf("it is %s (%s)", i.State, i.Reason)
		}
		return nil
	})
	g.Public, g.Private = i.Public, i.Private
}

// SSH runs a command in the guest, which must succeed; it waits for the guest
// to let one in first.
func (g *Guest) SSH(command string) string {
	g.c.t.Helper()
	var out string
	g.c.Eventually(g.ID+" lets one in by SSH", 3*time.Minute, func() (err error) {
		out, err = g.TrySSH("true")
		return err
	})
	var err error
	g.c.Eventually(g.ID+" answers by SSH", 3*time.Minute, func() error {
		if out, err = g.TrySSH(command); err != nil && strings.Contains(err.Error(), "during banner exchange") {
			return err // a busy machine: the command was not begun
		}
		return nil
	})
	if err != nil {
		g.c.t.Fatalf("in %s, %q: %v", g.ID, command, err)
	}
	return strings.TrimSpace(out)
}

// TrySSH runs a command in the guest.
func (g *Guest) TrySSH(command string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := g.ssh(ctx, command)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("%w: %s%s", err, stdout.String(), strings.TrimSpace(stderr.String()))
	}
	return stdout.String(), nil
}

// Put writes a file of the host into the guest, and makes it a program.
func (g *Guest) Put(path, to string) {
	g.c.t.Helper()
	f, err := os.Open(path)
	if err != nil {
		g.c.t.Fatal(err)
	}
	defer f.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := g.ssh(ctx, "cat >"+to+" && chmod 755 "+to)
	cmd.Stdin = f
	if out, err := cmd.CombinedOutput(); err != nil {
		g.c.t.Fatalf("put %s into %s: %v: %s", path, g.ID, err, out)
	}
}

// Stream runs a command in the guest until ctx ends, and returns what it prints
// as it comes. wait is for the end of it, after all of that is read.
func (g *Guest) Stream(ctx context.Context, command string) (out io.Reader, wait func() error) {
	g.c.t.Helper()
	cmd := g.ssh(ctx, command)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		g.c.t.Fatal(err)
	}
	return out, cmd.Wait
}

// Guest is an instance that was launched in another way, with the key of a path.
func (c *Cloud) Guest(id, key string) *Guest {
	c.t.Helper()
	g := &Guest{c: c, ID: id, key: key}
	g.Await("running")
	return g
}

// Through is the guest as one reaches it by SSH from another one alone.
func (g *Guest) Through(bastion *Guest) *Guest {
	other := *g
	other.bastion = bastion
	return &other
}

// ssh is a command in the guest.
func (g *Guest) ssh(ctx context.Context, command string) *exec.Cmd {
	args := []string{
		"-i", g.key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
		"-o", "LogLevel=ERROR", "-o", "BatchMode=yes", "-o", "ConnectTimeout=15",
	}
	to := g.Public
	if g.bastion != nil {
		to = g.Private
		hop := append([]string{"ssh"}, args...)
		args = append(args, "-o", "ProxyCommand="+strings.Join(append(hop, "admin@"+g.bastion.Public, "nc", "%h", "%p"), " "))
	}
	return exec.CommandContext(ctx, "ssh", append(args, "admin@"+to, command)...)
}

// Terminate ends the instance and waits until it has.
func (g *Guest) Terminate() {
	g.c.t.Helper()
	g.c.AWS("ec2", "terminate-instances", "--instance-ids", g.ID)
	g.Await("terminated")
}
