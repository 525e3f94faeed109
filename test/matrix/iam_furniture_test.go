package matrix

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1" //nolint:gosec // RFC 6238
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	api "github.com/vauban-cloud/vauban/awsapi/iam"
)

// The names of what IAM keeps in a world, all below the path /team/, and tagged.
const (
	path     = "/team/"
	document = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}}`
	trust    = `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}}`
	readOnly = "arn:aws:iam::aws:policy/IAMUserChangePassword" // of the cloud's own
	bounded  = "iam:PermissionsBoundary"
	attached = "iam:PolicyARN"
)

var blueIAM = []api.Tag{{Key: new("team"), Value: new("blue")}}

// iamARN names a resource of Alice's in IAM, e.g. "user/team/carol".
func (w *world) iamARN(resource string) string { return w.Place.GlobalARN("iam", Alice, resource) }

// policy makes a managed policy and returns its ARN.
func (w *world) policy(name string) string {
	w.Helper()
	return *made[*api.CreatePolicyResponse](w, Alice, &api.CreatePolicyRequest{
		PolicyName: &name, Path: new(path), PolicyDocument: new(document), Tags: blueIAM,
	}).Policy.Arn
}

// carol makes the user carol, and returns the ARNs of the user and of the policy
// that bounds it.
func (w *world) carol() (user, edge string) {
	w.Helper()
	edge = w.policy("edge")
	out := made[*api.CreateUserResponse](w, Alice, &api.CreateUserRequest{UserName: new("carol"), Path: new(path), Tags: blueIAM, PermissionsBoundary: &edge})
	return *out.User.Arn, edge
}

// staff makes the group staff.
func (w *world) staff() string {
	w.Helper()
	return *made[*api.CreateGroupResponse](w, Alice, &api.CreateGroupRequest{GroupName: new("staff"), Path: new(path)}).Group.Arn
}

// deploy makes the role deploy, and returns the ARNs of the role and of the policy
// that bounds it.
func (w *world) deploy() (role, edge string) {
	w.Helper()
	edge = w.policy("edge")
	out := made[*api.CreateRoleResponse](w, Alice, &api.CreateRoleRequest{
		RoleName: new("deploy"), Path: new(path), AssumeRolePolicyDocument: new(trust), Tags: blueIAM, PermissionsBoundary: &edge,
	})
	return *out.Role.Arn, edge
}

// servers makes the instance profile servers.
func (w *world) servers() string {
	w.Helper()
	return *made[*api.CreateInstanceProfileResponse](w, Alice, &api.CreateInstanceProfileRequest{
		InstanceProfileName: new("servers"), Path: new(path), Tags: blueIAM,
	}).InstanceProfile.Arn
}

// key makes an access key of carol's, and returns its ID.
func (w *world) key() string {
	w.Helper()
	return *made[*api.CreateAccessKeyResponse](w, Alice, &api.CreateAccessKeyRequest{UserName: new("carol")}).AccessKey.AccessKeyId
}

// phone makes an MFA device, and returns its serial number and its seed.
func (w *world) phone() (serial string, seed []byte) {
	w.Helper()
	d := made[*api.CreateVirtualMFADeviceResponse](w, Alice, &api.CreateVirtualMFADeviceRequest{
		VirtualMFADeviceName: new("phone"), Path: new(path), Tags: blueIAM,
	}).VirtualMFADevice
	seed, err := base32.StdEncoding.DecodeString(string(d.Base32StringSeed))
	if err != nil {
		w.Fatal(err)
	}
	return *d.SerialNumber, seed
}

// enabled makes the device carol's.
func (w *world) enabled() (serial string, seed []byte) {
	w.Helper()
	serial, seed = w.phone()
	made[*api.EnableMFADeviceOutput](w, Alice, &api.EnableMFADeviceRequest{
		UserName: new("carol"), SerialNumber: &serial, AuthenticationCode1: new(w.code(seed, -1)), AuthenticationCode2: new(w.code(seed, 0)),
	})
	return serial, seed
}

// code is the one-time password of a seed, so many steps from now:
// RFC 6238 with SHA-1, six digits and 30 seconds.
func (w *world) code(seed []byte, steps int) string {
	mac := hmac.New(sha1.New, seed)
	mac.Write(binary.BigEndian.AppendUint64(nil, uint64(int(w.Now().Unix())/30+steps))) //nolint:gosec // after 1970
	sum := mac.Sum(nil)
	at := sum[len(sum)-1] & 15
	return fmt.Sprintf("%06d", binary.BigEndian.Uint32(sum[at:])&(1<<31-1)%1_000_000)
}

// oidc makes an OpenID Connect provider.
func (w *world) oidc() string {
	w.Helper()
	return *made[*api.CreateOpenIDConnectProviderResponse](w, Alice, &api.CreateOpenIDConnectProviderRequest{
		Url: new("https://idp.example.org/realm"), ClientIDList: []string{"app"}, ThumbprintList: []string{thumbprint}, Tags: blueIAM,
	}).OpenIDConnectProviderArn
}

const thumbprint = "0123456789abcdef0123456789abcdef01234567"

// saml makes a SAML provider.
func (w *world) saml() string {
	w.Helper()
	return *made[*api.CreateSAMLProviderResponse](w, Alice, &api.CreateSAMLProviderRequest{
		Name: new("corp"), SAMLMetadataDocument: new(metadata(w)), Tags: blueIAM,
	}).SAMLProviderArn
}

// certificate makes the server certificate web.
func (w *world) certificate() string {
	w.Helper()
	cert, key := selfSigned(w)
	return *made[*api.UploadServerCertificateResponse](w, Alice, &api.UploadServerCertificateRequest{
		ServerCertificateName: new("web"), Path: new(path), CertificateBody: &cert, PrivateKey: &key, Tags: blueIAM,
	}).ServerCertificateMetadata.Arn
}

// selfSigned makes a certificate and its key, in PEM.
func selfSigned(t testing.TB) (cert, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "www.example.org"},
		NotBefore: time.Unix(1_600_000_000, 0), NotAfter: time.Unix(4_000_000_000, 0),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &k.PublicKey, k)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return armour("CERTIFICATE", der), armour("PRIVATE KEY", secret)
}

func armour(kind string, der []byte) string {
	var b bytes.Buffer
	_ = pem.Encode(&b, &pem.Block{Type: kind, Bytes: der}) // a buffer takes everything
	return b.String()
}

// metadata is a SAML metadata document with a certificate.
func metadata(t testing.TB) string {
	t.Helper()
	cert, _ := selfSigned(t)
	block, _ := pem.Decode([]byte(cert))
	return `<?xml version="1.0"?>
<EntityDescriptor xmlns="urn:oasis:names:tc:SAML:2.0:metadata" entityID="https://idp.example.org/saml">
 <IDPSSODescriptor protocolSupportEnumeration="urn:oasis:names:tc:SAML:2.0:protocol">
  <KeyDescriptor use="signing"><KeyInfo xmlns="http://www.w3.org/2000/09/xmldsig#"><X509Data><X509Certificate>` +
		base64.StdEncoding.EncodeToString(block.Bytes) + `</X509Certificate></X509Data></KeyInfo></KeyDescriptor>
  <SingleSignOnService Binding="urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST" Location="https://idp.example.org/sso"/>
 </IDPSSODescriptor>
</EntityDescriptor>` + "\n<!-- " + strings.Repeat(".", 500) + " -->"
}
