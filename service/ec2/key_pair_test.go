package ec2

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/vauban-cloud/vauban/awsapi/ec2"
	"github.com/vauban-cloud/vauban/cloud"
)

// Public keys as ssh-keygen writes them, and their fingerprints as ssh-keygen -l
// and openssl md5 -c print them.
const (
	opensshED25519     = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIIwvvc7rzb5vwcGjF/qaCxMFz/dSn6+HJf5a7g4aHrl6 someone"
	ed25519Fingerprint = "dLFSuaIpbTqvVe2sdwCr1NYv6Jd8V1noy987Mkymc+I="
	opensshRSA         = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDSX9VAp7LSEQpfKo7B4Wshz8XxY9LcSnSdD0r0dwVq4+BcXugMgQo569b63jv88/O9wrEInpgulfT5oOwRwoYwO14/SPas7IHjOhpKrebkF2p5PqvQkRqRl213/AtZk9IhMXk5BxYTjomYCazNIGd2Hy+e4KcEaxCze9KDMrNbkfJ0iEd9jl7q9Y0rrDqIqPTaM8jO9xt+phqX7jWm1yvuygmFClYt955/25cXpArnVYCk7OJTya5b4gUBsCDw5lKZGEdaZovr5DNSir9S/a8RRJOZn6N1hw3D7eo8ucbC5MomttpIYNVX2LbKHgpWLdLkS9kR4er0eDu2oRZzR6ND someone"
	rsaFingerprint     = "84:fa:39:a0:69:f4:55:b8:97:32:7c:b2:89:12:0e:55"
	opensshECDSA       = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEOzdeK2V7XA0xncg/msAzftyKWEbxjnAcWems/UzYIKJjnHR/wZPFSUyDkuGpq1G/fg8NmnKbMiBMTm2fE5iTg= x"

	rfc4716RSA = `---- BEGIN SSH2 PUBLIC KEY ----
Comment: "2048-bit RSA, converted by someone from OpenSSH"
AAAAB3NzaC1yc2EAAAADAQABAAABAQDSX9VAp7LSEQpfKo7B4Wshz8XxY9LcSnSdD0r0dw
Vq4+BcXugMgQo569b63jv88/O9wrEInpgulfT5oOwRwoYwO14/SPas7IHjOhpKrebkF2p5
PqvQkRqRl213/AtZk9IhMXk5BxYTjomYCazNIGd2Hy+e4KcEaxCze9KDMrNbkfJ0iEd9jl
7q9Y0rrDqIqPTaM8jO9xt+phqX7jWm1yvuygmFClYt955/25cXpArnVYCk7OJTya5b4gUB
sCDw5lKZGEdaZovr5DNSir9S/a8RRJOZn6N1hw3D7eo8ucbC5MomttpIYNVX2LbKHgpWLd
LkS9kR4er0eDu2oRZzR6ND
---- END SSH2 PUBLIC KEY ----
`
	pkixRSA = `-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA0l/VQKey0hEKXyqOweFr
Ic/F8WPS3Ep0nQ9K9HcFauPgXF7oDIEKOevW+t47/PPzvcKxCJ6YLpX0+aDsEcKG
MDteP0j2rOyB4zoaSq3m5BdqeT6r0JEakZdtd/wLWZPSITF5OQcWE46JmAmszSBn
dh8vnuCnBGsQs3vSgzKzW5HydIhHfY5e6vWNK6w6iKj02jPIzvcbfqYal+41ptcr
7soJhQpWLfeef9uXF6QK51WApOziU8muW+IFAbAg8OZSmRhHWmaL6+QzUoq/Uv2v
EUSTmZ+jdYcNw+3qPLnGwuTKJrbaSGDVV9i2yh4KVi3S5EvZEeHq9Hg7tqEWc0ej
QwIDAQAB
-----END PUBLIC KEY-----
`
	pkcs1RSA = `-----BEGIN RSA PUBLIC KEY-----
MIIBCgKCAQEA0l/VQKey0hEKXyqOweFrIc/F8WPS3Ep0nQ9K9HcFauPgXF7oDIEK
OevW+t47/PPzvcKxCJ6YLpX0+aDsEcKGMDteP0j2rOyB4zoaSq3m5BdqeT6r0JEa
kZdtd/wLWZPSITF5OQcWE46JmAmszSBndh8vnuCnBGsQs3vSgzKzW5HydIhHfY5e
6vWNK6w6iKj02jPIzvcbfqYal+41ptcr7soJhQpWLfeef9uXF6QK51WApOziU8mu
W+IFAbAg8OZSmRhHWmaL6+QzUoq/Uv2vEUSTmZ+jdYcNw+3qPLnGwuTKJrbaSGDV
V9i2yh4KVi3S5EvZEeHq9Hg7tqEWc0ejQwIDAQAB
-----END RSA PUBLIC KEY-----
`
)

func bareBase64(text string) string {
	block, _ := pem.Decode([]byte(text))
	return base64.StdEncoding.EncodeToString(block.Bytes)
}

func TestImportKeyPair(t *testing.T) {
	r := newRig(t)
	block, _ := pem.Decode([]byte(pkixRSA))
	for name, c := range map[string]struct{ material, kind, fingerprint string }{
		"openssh ed25519": {opensshED25519, "ed25519", ed25519Fingerprint},
		"no comment":      {strings.TrimSuffix(opensshED25519, " someone"), "ed25519", ed25519Fingerprint},
		"openssh rsa":     {opensshRSA + "\n", "rsa", rsaFingerprint},
		"rfc 4716":        {rfc4716RSA, "rsa", rsaFingerprint},
		"long header":     {strings.Replace(rfc4716RSA, "Comment: ", "Comment: a\\\nb: ", 1), "rsa", rsaFingerprint},
		"pkix":            {pkixRSA, "rsa", rsaFingerprint},
		"pkcs1":           {pkcs1RSA, "rsa", rsaFingerprint},
		"base64 of der":   {bareBase64(pkixRSA), "rsa", rsaFingerprint},
		"der":             {string(block.Bytes), "rsa", rsaFingerprint},
	} {
		t.Run(name, func(t *testing.T) {
			out := must(r.ImportKeyPair(r.ctx, &ec2.ImportKeyPairRequest{KeyName: &name, PublicKeyMaterial: []byte(c.material)}))(t)
			if *out.KeyFingerprint != c.fingerprint {
				t.Errorf("got fingerprint %s, want %s", *out.KeyFingerprint, c.fingerprint)
			}
			list := must(r.DescribeKeyPairs(r.ctx, &ec2.DescribeKeyPairsRequest{KeyNames: []string{name}, IncludePublicKey: new(true)}))(t)
			got := list.KeyPairs[0]
			wanted := strings.Fields(opensshRSA)
			if c.kind == keyED25519 {
				wanted = strings.Fields(opensshED25519)
			}
			if *got.KeyType != c.kind || *got.PublicKey != wanted[0]+" "+wanted[1]+" "+name {
				t.Errorf("got %s %s", *got.KeyType, *got.PublicKey)
			}
		})
	}
}

func TestImportKeyPairRefuses(t *testing.T) {
	r := newRig(t)
	odd, err := rsa.GenerateKey(rand.Reader, 2056)
	if err != nil {
		t.Fatal(err)
	}
	oddKey, err := ssh.NewPublicKey(odd.Public())
	if err != nil {
		t.Fatal(err)
	}
	const words = "Key is not in valid OpenSSH public key format"
	for name, material := range map[string]string{
		"words":       "hello",
		"ecdsa":       opensshECDSA,
		"odd size":    string(ssh.MarshalAuthorizedKey(oddKey)),
		"options":     `command="/bin/false" ` + opensshED25519,
		"two lines":   opensshED25519 + "\n" + opensshRSA,
		"truncated":   opensshRSA[:100],
		"private key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(odd)})),
		"no end":      strings.TrimSuffix(strings.TrimSpace(rfc4716RSA), "---- END SSH2 PUBLIC KEY ----"),
		"too long":    opensshED25519 + strings.Repeat("x", maxKeyMaterial),
		"blank":       " ",
	} {
		_, err := r.ImportKeyPair(r.ctx, &ec2.ImportKeyPairRequest{KeyName: new("k"), PublicKeyMaterial: []byte(material)})
		want(t, name, err, "InvalidKey.Format", words)
	}
	_, err = r.ImportKeyPair(r.ctx, &ec2.ImportKeyPairRequest{KeyName: new("k")})
	want(t, "no material", err, "MissingParameter")
	for _, name := range []string{" x", "x ", "\n", "é", strings.Repeat("x", 256)} {
		_, err := r.ImportKeyPair(r.ctx, &ec2.ImportKeyPairRequest{KeyName: &name, PublicKeyMaterial: []byte(opensshRSA)})
		want(t, fmt.Sprintf("name %q", name), err, "InvalidParameterValue")
	}
	_, err = r.ImportKeyPair(r.ctx, &ec2.ImportKeyPairRequest{KeyName: new(""), PublicKeyMaterial: []byte(opensshRSA)})
	want(t, "empty name", err, "MissingParameter", "The request must contain the parameter KeyName")
}

func TestCreateKeyPairRSA(t *testing.T) {
	r := newRig(t)
	out := must(r.CreateKeyPair(r.ctx, &ec2.CreateKeyPairRequest{KeyName: new("k"), TagSpecifications: tagSpec("key-pair", "a", "b")}))(t)
	block, rest := pem.Decode([]byte(*out.KeyMaterial))
	if block == nil || block.Type != "RSA PRIVATE KEY" || len(rest) > 0 {
		t.Fatalf("not a PKCS#1 PEM file:\n%s", *out.KeyMaterial)
	}
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if key.N.BitLen() != 2048 {
		t.Errorf("got %d bits", key.N.BitLen())
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha1.Sum(der)
	wanted := strings.TrimSuffix(strings.Join(strings.SplitAfter(fmt.Sprintf("% x", sum), " "), ""), " ")
	if got := strings.ReplaceAll(*out.KeyFingerprint, ":", " "); got != wanted {
		t.Errorf("got fingerprint %s, want %s", got, wanted)
	}
	if len(out.Tags) != 1 || !cloud.ValidID("key", *out.KeyPairId) {
		t.Errorf("got tags %v, ID %s", out.Tags, *out.KeyPairId)
	}
	info := must(r.DescribeKeyPairs(r.ctx, &ec2.DescribeKeyPairsRequest{IncludePublicKey: new(true)}))(t).KeyPairs[0]
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	if line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " k"; *info.PublicKey != line {
		t.Errorf("got public key %s, want %s", *info.PublicKey, line)
	}
}

func TestCreateKeyPairED25519(t *testing.T) {
	r := newRig(t)
	out := must(r.CreateKeyPair(r.ctx, &ec2.CreateKeyPairRequest{KeyName: new("k"), KeyType: new("ed25519"), KeyFormat: new("pem")}))(t)
	if !strings.HasPrefix(*out.KeyMaterial, "-----BEGIN OPENSSH PRIVATE KEY-----\n") {
		t.Fatalf("not an OpenSSH file:\n%s", *out.KeyMaterial)
	}
	signer, err := ssh.ParsePrivateKey([]byte(*out.KeyMaterial))
	if err != nil {
		t.Fatal(err)
	}
	if wanted := strings.TrimPrefix(ssh.FingerprintSHA256(signer.PublicKey()), "SHA256:") + "="; *out.KeyFingerprint != wanted {
		t.Errorf("got fingerprint %s, want %s", *out.KeyFingerprint, wanted)
	}
}

func TestCreateKeyPairRefuses(t *testing.T) {
	r := newRig(t)
	must(r.CreateKeyPair(r.ctx, &ec2.CreateKeyPairRequest{KeyName: new("taken"), KeyType: new("ed25519")}))(t)
	for _, c := range []struct {
		in      ec2.CreateKeyPairRequest
		code    string
		message string
	}{
		{ec2.CreateKeyPairRequest{KeyName: new("taken"), KeyType: new("ed25519")}, "InvalidKeyPair.Duplicate", "The keypair 'taken' already exists."},
		{ec2.CreateKeyPairRequest{KeyName: new("k"), KeyType: new("dsa")}, "InvalidParameterValue", "Value (dsa) for parameter KeyType is invalid. Valid values are: rsa, ed25519."},
		{ec2.CreateKeyPairRequest{KeyName: new("k"), KeyFormat: new("jks")}, "InvalidParameterValue", "Value (jks) for parameter KeyFormat is invalid. Valid values are: pem, ppk."},
		{ec2.CreateKeyPairRequest{KeyName: new("k"), KeyFormat: new("ppk")}, "UnsupportedOperation", "The key format 'ppk' is not available. Use 'pem', and convert the key with puttygen."},
		{ec2.CreateKeyPairRequest{}, "MissingParameter", "The request must contain the parameter KeyName"},
		{ec2.CreateKeyPairRequest{KeyName: new("k"), TagSpecifications: tagSpec("instance", "a", "b")}, "InvalidParameterValue", "'instance' is not a valid taggable resource type for this operation."},
		{ec2.CreateKeyPairRequest{KeyName: new("k"), DryRun: new(true)}, "DryRunOperation", "Request would have succeeded, but DryRun flag is set."},
	} {
		_, err := r.CreateKeyPair(r.ctx, &c.in)
		want(t, c.message, err, c.code, c.message)
	}
	if _, err := r.CreateKeyPair(r.bob, &ec2.CreateKeyPairRequest{KeyName: new("taken"), KeyType: new("ed25519")}); err != nil {
		t.Errorf("a name is taken in another account: %v", err)
	}
}

func TestDescribeKeyPairs(t *testing.T) {
	r := newRig(t)
	id := *must(r.ImportKeyPair(r.ctx, &ec2.ImportKeyPairRequest{KeyName: new("one"), PublicKeyMaterial: []byte(opensshRSA), TagSpecifications: tagSpec("key-pair", "Name", "x")}))(t).KeyPairId
	must(r.ImportKeyPair(r.ctx, &ec2.ImportKeyPairRequest{KeyName: new("two"), PublicKeyMaterial: []byte(opensshED25519)}))(t)
	theirs := *must(r.ImportKeyPair(r.bob, &ec2.ImportKeyPairRequest{KeyName: new("bobs"), PublicKeyMaterial: []byte(opensshRSA)}))(t).KeyPairId
	ids := func(in ec2.DescribeKeyPairsRequest) ([]string, error) {
		out, err := r.DescribeKeyPairs(r.ctx, &in)
		if err != nil {
			return nil, err
		}
		return each(out.KeyPairs, func(k ec2.KeyPairInfo) string { return *k.KeyPairId }), nil
	}
	if all := must(ids(ec2.DescribeKeyPairsRequest{}))(t); len(all) != 2 {
		t.Errorf("got %v, want two", all)
	}
	if got := must(ids(ec2.DescribeKeyPairsRequest{KeyNames: []string{"one"}, KeyPairIds: []string{id}}))(t); len(got) != 1 || got[0] != id {
		t.Errorf("got %v, want %s", got, id)
	}
	filterTable{
		names: names(keyPairFields), id: id,
		cases: map[string]string{"key-pair-id": id, "key-name": "o?e", "key-type": "rsa", "fingerprint": rsaFingerprint},
		ids:   func(f []ec2.Filter) ([]string, error) { return ids(ec2.DescribeKeyPairsRequest{Filters: f}) },
	}.check(t)
	if got := must(ids(ec2.DescribeKeyPairsRequest{Filters: filters("tag:Name", "x")}))(t); len(got) != 1 {
		t.Errorf("got %v by tag", got)
	}
	_, err := ids(ec2.DescribeKeyPairsRequest{KeyNames: []string{"bobs"}})
	want(t, "another's name", err, "InvalidKeyPair.NotFound", "The key pair 'bobs' does not exist")
	_, err = ids(ec2.DescribeKeyPairsRequest{KeyPairIds: []string{theirs}})
	want(t, "another's ID", err, "InvalidKeyPair.NotFound", "The key pair ID '"+theirs+"' does not exist")
	_, err = ids(ec2.DescribeKeyPairsRequest{KeyPairIds: []string{"key-x"}})
	want(t, "no ID", err, "InvalidKeyPairId.Malformed")
}

func TestDeleteKeyPair(t *testing.T) {
	r := newRig(t)
	make := func(ctx context.Context, name string) string {
		return *must(r.ImportKeyPair(ctx, &ec2.ImportKeyPairRequest{KeyName: &name, PublicKeyMaterial: []byte(opensshRSA)}))(t).KeyPairId
	}
	one, _, theirs := make(r.ctx, "one"), make(r.ctx, "two"), make(r.bob, "theirs")
	for _, c := range []struct {
		in      ec2.DeleteKeyPairRequest
		deleted string
		code    string
	}{
		{ec2.DeleteKeyPairRequest{KeyName: new("one")}, one, ""},
		{ec2.DeleteKeyPairRequest{KeyName: new("one")}, "", ""},
		{ec2.DeleteKeyPairRequest{KeyPairId: &one}, "", ""},
		{ec2.DeleteKeyPairRequest{KeyName: new("theirs")}, "", ""},
		{ec2.DeleteKeyPairRequest{KeyPairId: &theirs}, "", ""},
		{ec2.DeleteKeyPairRequest{KeyPairId: new("key-1")}, "", "InvalidKeyPairId.Malformed"},
		{ec2.DeleteKeyPairRequest{}, "", "MissingParameter"},
		{ec2.DeleteKeyPairRequest{KeyName: new("a"), KeyPairId: &one}, "", "InvalidParameterCombination"},
		{ec2.DeleteKeyPairRequest{KeyName: new("two"), DryRun: new(true)}, "", "DryRunOperation"},
	} {
		out, err := r.DeleteKeyPair(r.ctx, &c.in)
		want(t, fmt.Sprintf("%+v", c.in), err, c.code)
		if err == nil && val(out.KeyPairId) != c.deleted {
			t.Errorf("deleted %q, want %q", val(out.KeyPairId), c.deleted)
		}
	}
	if make(r.ctx, "one") == one {
		t.Error("a new key pair has the ID of a deleted one")
	}
	if left := must(r.DescribeKeyPairs(r.bob, &ec2.DescribeKeyPairsRequest{}))(t).KeyPairs; len(left) != 1 {
		t.Errorf("another's key pair is gone")
	}
}

func FuzzParsePublicKey(f *testing.F) {
	for _, seed := range []string{opensshED25519, opensshRSA, opensshECDSA, rfc4716RSA, pkixRSA, pkcs1RSA, bareBase64(pkixRSA)} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, material []byte) {
		key, err := parsePublicKey(material)
		if err != nil {
			return
		}
		// What was accepted is written as a line that means the same key.
		again, err := parsePublicKey([]byte(key.authorized("name")))
		if err != nil || string(again.key.Marshal()) != string(key.key.Marshal()) || again.kind != key.kind {
			t.Fatalf("%q became %q: %v", material, key.authorized("name"), err)
		}
		if sum, err := key.fingerprint(); err != nil || sum == "" {
			t.Fatalf("fingerprint of %q: %v", material, err)
		}
	})
}
