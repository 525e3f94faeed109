package metadata_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
)

func TestGoSDK(t *testing.T) {
	g := one()
	g.Instance.Metadata.Tokens = "required"
	addr, _ := listen(t, g)
	c := imds.New(imds.Options{Endpoint: "http://" + addr, ClientEnableState: imds.ClientEnabled})
	ctx := context.Background()

	doc, err := c.GetInstanceIdentityDocument(ctx, nil)
	if err != nil || doc.InstanceID != g.Instance.ID || doc.Region != "eu-paris-1" {
		t.Errorf("identity: %+v, %v", doc, err)
	}
	region, err := c.GetRegion(ctx, nil)
	if err != nil || region.Region != "eu-paris-1" {
		t.Errorf("region: %+v, %v", region, err)
	}
	user, err := c.GetUserData(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(user.Content); err != nil || !bytes.Equal(b, g.Instance.UserData) {
		t.Errorf("user data: %q, %v", b, err)
	}
	value, err := c.GetMetadata(ctx, &imds.GetMetadataInput{Path: "instance-id"})
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(value.Content); err != nil || string(b) != g.Instance.ID {
		t.Errorf("instance-id: %q, %v", b, err)
	}
	if _, err := c.GetIAMInfo(ctx, nil); err == nil {
		t.Error("an instance profile was found where there is none")
	}
}

func TestBoto(t *testing.T) {
	if err := exec.Command("python3", "-c", "import botocore").Run(); err != nil {
		t.Skip("no botocore here: apt-get install python3-boto3")
	}
	g := one()
	g.Instance.Metadata.Tokens = "required"
	addr, _ := listen(t, g)
	script := `
import sys
from botocore.utils import InstanceMetadataFetcher, InstanceMetadataRegionFetcher
print(InstanceMetadataRegionFetcher(base_url=sys.argv[1]).retrieve_region())
print(InstanceMetadataFetcher(base_url=sys.argv[1]).retrieve_iam_role_credentials())
`
	out, err := exec.Command("python3", "-c", script, "http://"+addr+"/").CombinedOutput()
	if err != nil || string(out) != "eu-paris-1\n{}\n" {
		t.Errorf("botocore: %v\n%s", err, out)
	}
}

// TestCrawl reads the whole tree the way cloud-init does
// (cloudinit.sources.helpers.ec2): a name with a slash is a directory, "N=name"
// is the key N/openssh-key, all else is a leaf.
func TestCrawl(t *testing.T) {
	addr, _ := listen(t, one())
	get := func(path string) string {
		resp, err := http.Get("http://" + addr + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != 200 {
			t.Errorf("%s: %d, %v", path, resp.StatusCode, err)
		}
		return string(b)
	}
	var crawl func(path string) map[string]any
	crawl = func(path string) map[string]any {
		found := map[string]any{}
		for name := range strings.SplitSeq(get(path), "\n") {
			switch dir, isDir := strings.CutSuffix(name, "/"); {
			case isDir:
				found[dir] = crawl(path + dir + "/")
			case strings.Contains(name, "="):
				id, key, _ := strings.Cut(name, "=")
				if _, err := strconv.Atoi(id); err != nil {
					t.Errorf("%s lists %q", path, name)
				}
				found[key] = get(path + id + "/openssh-key")
			default:
				found[name] = get(path + name)
			}
		}
		return found
	}
	tree := crawl("/2021-03-23/meta-data/")
	nic := tree["network"].(map[string]any)["interfaces"].(map[string]any)["macs"].(map[string]any)["02:00:00:00:00:01"].(map[string]any)
	for got, want := range map[any]string{
		tree["instance-id"]:                                     "i-0123456789abcdef0",
		tree["public-keys"].(map[string]any)["laptop"]:          "ssh-ed25519 AAAA laptop",
		nic["local-ipv4s"]:                                      "10.0.1.5\n10.0.1.6",
		nic["subnet-ipv4-cidr-block"]:                           "10.0.1.0/24",
		nic["device-number"]:                                    "0",
		nic["ipv4-associations"].(map[string]any)["100.64.0.9"]: "10.0.1.5",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
