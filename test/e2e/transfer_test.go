package e2e_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/vauban-cloud/vauban/test/e2e"
)

// mover runs testdata/boto3_transfer.py, and returns the lines that it prints.
func mover(t *testing.T, c *e2e.Cloud, args ...string) []string {
	t.Helper()
	script, err := os.ReadFile("testdata/boto3_transfer.py")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(c.Python(string(script), append([]string{"http://" + c.Addr, "disks"}, args...)...)), "\n")
}

func qemuImg(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "qemu-img", args...).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// bootable returns the disk of an image that boots by itself.
func bootable(c *e2e.Cloud) string {
	c.Image("vauban-tiny-bios")
	return filepath.Join(e2e.Cache(), "images", "vauban-tiny-bios", "disk.qcow2")
}

// unused checks that hosts have put everything away, and no file of a disk is left that
// nobody knows.
func unused(t *testing.T, c *e2e.Cloud) {
	t.Helper()
	c.Eventually("nothing is under way", time.Minute, func() error {
		left, err := os.ReadDir(filepath.Join(c.Data, "disks", "work"))
		if err == nil && len(left) > 0 {
			err = errSame
		}
		return err
	})
	known := c.Query("Snapshots[].SnapshotId", "ec2", "describe-snapshots", "--owner-ids", "self")
	kept, err := os.ReadDir(filepath.Join(c.Data, "disks", "snapshots"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range kept {
		if !strings.Contains(known, s.Name()) {
			t.Errorf("the bytes of %s are left, which nobody knows", s.Name())
		}
	}
}

// TestTransfers brings disks in from a bucket in several formats, boots from one, takes it
// out again in all formats, and finds the same bytes.
func TestTransfers(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	disk, dir := bootable(c), t.TempDir()
	raw, vmdk, vhd := filepath.Join(dir, "disk.raw"), filepath.Join(dir, "disk.vmdk"), filepath.Join(dir, "disk.vhd")
	qemuImg(t, "convert", "-O", "raw", disk, raw)
	qemuImg(t, "convert", "-O", "vmdk", "-o", "subformat=streamOptimized", disk, vmdk)
	qemuImg(t, "convert", "-O", "vpc", "-o", "force_size=on", disk, vhd)

	images := mover(t, c, "import", "image", vmdk, vhd, disk)
	out := t.TempDir()
	mover(t, c, "export", images[0], out)
	for format, form := range map[string]string{"raw": "raw", "vmdk": "vmdk", "vhd": "vpc"} {
		qemuImg(t, "compare", "-f", "raw", "-F", form, raw, filepath.Join(out, format))
	}
	snapshots := mover(t, c, "import", "snapshot", filepath.Join(out, "vhd"), raw)
	if got := c.Query("Snapshots[].State", "ec2", "describe-snapshots", "--snapshot-ids", snapshots[0], snapshots[1]); got != "completed\tcompleted" {
		t.Errorf("the snapshots are %q", got)
	}
	key, group := c.Key("moved"), c.OpenGroup("ssh")
	g := c.Launch(images[1], key, "--security-group-ids", group)
	if got := g.SSH("head -c 1 /dev/zero | wc -c; ls /boot"); !strings.Contains(got, "vmlinuz") {
		t.Errorf("a guest of an imported image has %q in /boot", got)
	}
	unused(t, c)
}

// TestTransfersAreRefused: what cannot be a disk, or not boot, is refused with a reason,
// and nothing is left of it.
func TestTransfersAreRefused(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	qemuImg(t, "create", "-q", "-f", "qcow2", "-u", "-b", "/etc/shadow", "-F", "raw", file("backed.qcow2"), "1M")
	qemuImg(t, "create", "-q", "-f", "qcow2", file("petabyte.qcow2"), "1P")
	qemuImg(t, "create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", file("flat.vmdk"), "1M")
	for n, why := range mover(t, c, "refuse", file("backed.qcow2"), file("petabyte.qcow2"), file("flat.vmdk")) {
		want := []string{"backing file", "virtual size", "VMDK descriptor"}[n%3]
		if !strings.HasPrefix(why, "ClientError: Disk validation failed [disks/") || !strings.Contains(why, want) {
			t.Errorf("refused because %q, want %q", why, want)
		}
		if strings.Contains(why, c.Data) {
			t.Errorf("the reason tells where disks are kept: %q", why)
		}
	}
	if got := c.Query("Snapshots[].SnapshotId", "ec2", "describe-snapshots", "--owner-ids", "self"); got != "" {
		t.Errorf("there are snapshots: %s", got)
	}
	unused(t, c)
}

// cancelledImport begins an import, behind others that keep the host busy, and cancels it.
// One that is done all the same is tried again.
func cancelledImport(t *testing.T, client *ec2.Client) string {
	t.Helper()
	var refused error
	for range 5 {
		for range 3 {
			from := &types.SnapshotDiskContainer{UserBucket: &types.UserBucket{S3Bucket: new("disks"), S3Key: new("disks/disk.qcow2")}}
			if _, err := client.ImportSnapshot(t.Context(), &ec2.ImportSnapshotInput{DiskContainer: from}); err != nil {
				t.Fatal(err)
			}
		}
		from := []types.ImageDiskContainer{{Url: new("s3://disks/disks/disk.qcow2")}}
		begun, err := client.ImportImage(t.Context(), &ec2.ImportImageInput{DiskContainers: from})
		if err != nil {
			t.Fatal(err)
		}
		if _, refused = client.CancelImportTask(t.Context(), &ec2.CancelImportTaskInput{ImportTaskId: begun.ImportTaskId}); refused == nil {
			return *begun.ImportTaskId
		}
	}
	t.Fatal(refused)
	return ""
}

// TestTransfersAcrossCrashes kills the cloud in the midst of imports and exports: they are
// done all the same, or undone if they are cancelled.
func TestTransfersAcrossCrashes(t *testing.T) {
	t.Parallel()
	c := e2e.Start(t)
	disk := bootable(c)
	image := mover(t, c, "import", "image", disk)[0]
	var imports []string
	for range 3 {
		imports = append(imports, c.Query("ImportTaskId", "ec2", "import-snapshot", "--disk-container", "UserBucket={S3Bucket=disks,S3Key=disks/disk.qcow2}"))
		c.Kill()
		c.Up()
	}
	export := c.Query("ExportImageTaskId", "ec2", "export-image", "--image-id", image, "--disk-image-format", "VMDK", "--s3-export-location", "S3Bucket=disks,S3Prefix=out/")
	cancelled := cancelledImport(t, c.EC2())
	c.Kill()
	c.Up()
	await := func(id, want, query string, args ...string) {
		c.Eventually(id+" is "+want, 3*time.Minute, func() error {
			return contains(c.Query(query, append([]string{"ec2"}, append(args, id)...)...), want)
		})
	}
	for _, id := range imports {
		await(id, "completed", "ImportSnapshotTasks[0].SnapshotTaskDetail.Status", "describe-import-snapshot-tasks", "--import-task-ids")
	}
	await(export, "completed", "ExportImageTasks[0].Status", "describe-export-image-tasks", "--export-image-task-ids")
	await(cancelled, "deleted", "ImportImageTasks[0].Status", "describe-import-image-tasks", "--import-task-ids")
	if got := c.Query("Contents[].Key", "s3api", "list-objects-v2", "--bucket", "disks", "--prefix", "out/"); got != "out/"+export+".vmdk" {
		t.Errorf("exported were %q", got)
	}
	unused(t, c)
}
