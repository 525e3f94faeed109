package matrix

import api "github.com/vauban-cloud/vauban/awsapi/iam"

// iamProviders are the operations on identity providers and server certificates.
var iamProviders = table{
	"iam:CreateOpenIDConnectProvider": func(w *world) row {
		arn := w.iamARN("oidc-provider/idp.example.org/realm")
		return row{
			in: &api.CreateOpenIDConnectProviderRequest{
				Url: new("https://idp.example.org/realm"), ClientIDList: []string{"app"}, ThumbprintList: []string{thumbprint}, Tags: blueIAM,
			},
			needs: []need{on(arn, "aws:RequestTag/team", "blue"), also("iam:TagOpenIDConnectProvider", arn, "aws:RequestTag/team", "blue")},
		}
	},
	"iam:GetOpenIDConnectProvider":    onOIDC(func(arn string) any { return &api.GetOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &arn} }),
	"iam:DeleteOpenIDConnectProvider": onOIDC(func(arn string) any { return &api.DeleteOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &arn} }),
	"iam:ListOpenIDConnectProviders": func(w *world) row {
		w.oidc()
		return row{in: &api.ListOpenIDConnectProvidersRequest{}}
	},
	"iam:AddClientIDToOpenIDConnectProvider": onOIDC(func(arn string) any {
		return &api.AddClientIDToOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &arn, ClientID: new("other")}
	}),
	"iam:RemoveClientIDFromOpenIDConnectProvider": onOIDC(func(arn string) any {
		return &api.RemoveClientIDFromOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &arn, ClientID: new("app")}
	}),
	"iam:UpdateOpenIDConnectProviderThumbprint": onOIDC(func(arn string) any {
		return &api.UpdateOpenIDConnectProviderThumbprintRequest{OpenIDConnectProviderArn: &arn, ThumbprintList: []string{thumbprint}}
	}),
	"iam:ListOpenIDConnectProviderTags": onOIDC(func(arn string) any { return &api.ListOpenIDConnectProviderTagsRequest{OpenIDConnectProviderArn: &arn} }),
	"iam:TagOpenIDConnectProvider": onOIDC(func(arn string) any {
		return &api.TagOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &arn, Tags: blueIAM}
	}, "aws:RequestTag/team", "blue"),
	"iam:UntagOpenIDConnectProvider": onOIDC(func(arn string) any {
		return &api.UntagOpenIDConnectProviderRequest{OpenIDConnectProviderArn: &arn, TagKeys: []string{"team"}}
	}, "aws:TagKeys", "team"),

	"iam:CreateSAMLProvider": func(w *world) row {
		arn := w.iamARN("saml-provider/corp")
		return row{
			in:    &api.CreateSAMLProviderRequest{Name: new("corp"), SAMLMetadataDocument: new(metadata(w)), Tags: blueIAM},
			needs: []need{on(arn, "aws:RequestTag/team", "blue"), also("iam:TagSAMLProvider", arn, "aws:RequestTag/team", "blue")},
		}
	},
	"iam:GetSAMLProvider":    onSAML(func(_ *world, arn string) any { return &api.GetSAMLProviderRequest{SAMLProviderArn: &arn} }),
	"iam:DeleteSAMLProvider": onSAML(func(_ *world, arn string) any { return &api.DeleteSAMLProviderRequest{SAMLProviderArn: &arn} }),
	"iam:UpdateSAMLProvider": onSAML(func(w *world, arn string) any {
		return &api.UpdateSAMLProviderRequest{SAMLProviderArn: &arn, SAMLMetadataDocument: new(metadata(w))}
	}),
	"iam:ListSAMLProviders": func(w *world) row {
		w.saml()
		return row{in: &api.ListSAMLProvidersRequest{}}
	},
	"iam:ListSAMLProviderTags": onSAML(func(_ *world, arn string) any { return &api.ListSAMLProviderTagsRequest{SAMLProviderArn: &arn} }),
	"iam:TagSAMLProvider": onSAML(func(_ *world, arn string) any {
		return &api.TagSAMLProviderRequest{SAMLProviderArn: &arn, Tags: blueIAM}
	}, "aws:RequestTag/team", "blue"),
	"iam:UntagSAMLProvider": onSAML(func(_ *world, arn string) any {
		return &api.UntagSAMLProviderRequest{SAMLProviderArn: &arn, TagKeys: []string{"team"}}
	}, "aws:TagKeys", "team"),

	"iam:UploadServerCertificate": func(w *world) row {
		arn := w.iamARN("server-certificate/team/web")
		cert, key := selfSigned(w)
		return row{
			in:    &api.UploadServerCertificateRequest{ServerCertificateName: new("web"), Path: new(path), CertificateBody: &cert, PrivateKey: &key, Tags: blueIAM},
			needs: []need{on(arn, "aws:RequestTag/team", "blue"), also("iam:TagServerCertificate", arn, "aws:RequestTag/team", "blue")},
		}
	},
	"iam:GetServerCertificate":    onCertificate(func() any { return &api.GetServerCertificateRequest{ServerCertificateName: new("web")} }),
	"iam:DeleteServerCertificate": onCertificate(func() any { return &api.DeleteServerCertificateRequest{ServerCertificateName: new("web")} }),
	"iam:ListServerCertificates": func(w *world) row {
		w.certificate()
		return row{in: &api.ListServerCertificatesRequest{}}
	},
	"iam:UpdateServerCertificate": func(w *world) row {
		return row{
			in:    &api.UpdateServerCertificateRequest{ServerCertificateName: new("web"), NewServerCertificateName: new("www")},
			needs: []need{on(w.certificate(), blue, "blue"), on(w.iamARN("server-certificate/team/www"))},
			other: "NoSuchEntity",
		}
	},
	"iam:ListServerCertificateTags": onCertificate(func() any { return &api.ListServerCertificateTagsRequest{ServerCertificateName: new("web")} }),
	"iam:TagServerCertificate": onCertificate(func() any {
		return &api.TagServerCertificateRequest{ServerCertificateName: new("web"), Tags: blueIAM}
	}, "aws:RequestTag/team", "blue"),
	"iam:UntagServerCertificate": onCertificate(func() any {
		return &api.UntagServerCertificateRequest{ServerCertificateName: new("web"), TagKeys: []string{"team"}}
	}, "aws:TagKeys", "team"),
}

// onOIDC is the row of an operation on an OpenID Connect provider, which is named
// by its ARN.
func onOIDC(in func(arn string) any, pairs ...string) func(*world) row {
	return func(w *world) row {
		arn := w.oidc()
		return row{in: in(arn), needs: []need{on(arn, append(pairs, blue, "blue")...)}, other: "NoSuchEntity"}
	}
}

// onSAML is the row of an operation on a SAML provider, which is named by its ARN.
func onSAML(in func(w *world, arn string) any, pairs ...string) func(*world) row {
	return func(w *world) row {
		arn := w.saml()
		return row{in: in(w, arn), needs: []need{on(arn, append(pairs, blue, "blue")...)}, other: "NoSuchEntity"}
	}
}

// onCertificate is the row of an operation on the server certificate web.
func onCertificate(in func() any, pairs ...string) func(*world) row {
	return func(w *world) row {
		return row{in: in(), needs: []need{on(w.certificate(), append(pairs, blue, "blue")...)}, other: "NoSuchEntity"}
	}
}
