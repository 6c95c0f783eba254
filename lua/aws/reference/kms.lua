--- Operations of KMS, API version 2014-11-01, as its reference has them: what each is for, takes, gives and refuses with.
--- Pages are not listed, since lists are whole.
return {
  CancelKeyDeletion = { text = "Takes a scheduled deletion back; the key is disabled then.",
    takes = { "KeyId: string" },
    gives = { "KeyId: string" },
    errors = { "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException", "KMSInvalidStateException" } },
  CreateAlias = { text = "Gives a key an alias; refused when another key of the region has it.",
    takes = { "AliasName: string", "TargetKeyId: string" },
    errors = {
      "DependencyTimeoutException", "AlreadyExistsException", "NotFoundException", "InvalidAliasNameException", "KMSInternalException",
      "LimitExceededException", "KMSInvalidStateException"
    } },
  CreateKey = { text = "Makes a key. It costs money from then on, and there is no token that keeps a second call from making another.",
    takes = {
      "Policy?: string", "Description?: string",
      'KeyUsage?: "SIGN_VERIFY"|"ENCRYPT_DECRYPT"|"GENERATE_VERIFY_MAC"|"KEY_AGREEMENT"|"ENCAPSULATE_DECAPSULATE"',
      'CustomerMasterKeySpec?: "RSA_2048"|"RSA_3072"|"RSA_4096"|"ECC_NIST_P256"|"ECC_NIST_P384"|"ECC_NIST_P521"|"ECC_SECG_P256K1"|' ..
      '"SYMMETRIC_DEFAULT"|"HMAC_224"|"HMAC_256"|"HMAC_384"|"HMAC_512"|"SM2"',
      'KeySpec?: "RSA_2048"|"RSA_3072"|"RSA_4096"|"ECC_NIST_P256"|"ECC_NIST_P384"|"ECC_NIST_P521"|"ECC_SECG_P256K1"|"SYMMETRIC_DEFAULT"|' ..
      '"HMAC_224"|"HMAC_256"|"HMAC_384"|"HMAC_512"|"SM2"|"ML_DSA_44"|"ML_DSA_65"|"ML_DSA_87"|"ECC_NIST_EDWARDS25519"|"ML_KEM_512"|' ..
      '"ML_KEM_768"|"ML_KEM_1024"', 'Origin?: "AWS_KMS"|"EXTERNAL"|"AWS_CLOUDHSM"|"EXTERNAL_KEY_STORE"', "CustomKeyStoreId?: string",
      "BypassPolicyLockoutSafetyCheck?: boolean", "Tags?: { TagKey: string, TagValue: string }[]", "MultiRegion?: boolean", "XksKeyId?: string"
    },
    gives = { "KeyMetadata: table" },
    errors = {
      "MalformedPolicyDocumentException", "DependencyTimeoutException", "InvalidArnException", "UnsupportedOperationException",
      "KMSInternalException", "LimitExceededException", "TagException", "CustomKeyStoreNotFoundException", "CustomKeyStoreInvalidStateException",
      "CloudHsmClusterInvalidConfigurationException", "XksKeyInvalidConfigurationException", "XksKeyAlreadyInUseException",
      "XksKeyNotFoundException"
    } },
  Decrypt = { text = "Decrypts what Encrypt or GenerateDataKey gave.",
    takes = {
      "CiphertextBlob?: string", "EncryptionContext?: table<string, string>", "GrantTokens?: string[]", "KeyId?: string",
      'EncryptionAlgorithm?: "SYMMETRIC_DEFAULT"|"RSAES_OAEP_SHA_1"|"RSAES_OAEP_SHA_256"|"SM2PKE"',
      "Recipient?: { KeyEncryptionAlgorithm?: string, AttestationDocument?: string }", "DryRun?: boolean", "DryRunModifiers?: string[]"
    },
    gives = { "KeyId: string", "Plaintext: string", "EncryptionAlgorithm: string", "CiphertextForRecipient: string", "KeyMaterialId: string" },
    errors = {
      "NotFoundException", "DisabledException", "InvalidCiphertextException", "KeyUnavailableException", "IncorrectKeyException",
      "InvalidKeyUsageException", "DependencyTimeoutException", "InvalidGrantTokenException", "KMSInternalException", "KMSInvalidStateException",
      "DryRunOperationException"
    } },
  DeleteAlias = { text = "Takes an alias away; its key stays.",
    takes = { "AliasName: string" },
    errors = { "DependencyTimeoutException", "NotFoundException", "KMSInternalException", "KMSInvalidStateException" } },
  DeleteImportedKeyMaterial = { text = "Deletes material that was imported; the key stays, without use.",
    takes = { "KeyId: string", "KeyMaterialId?: string" },
    gives = { "KeyId: string", "KeyMaterialId: string" },
    errors = {
      "InvalidArnException", "UnsupportedOperationException", "DependencyTimeoutException", "NotFoundException", "KMSInternalException",
      "KMSInvalidStateException"
    } },
  DescribeKey = { text = "What KMS knows of a key: state, origin, kind, dates.",
    takes = { "KeyId: string", "GrantTokens?: string[]" },
    gives = { "KeyMetadata: table" },
    errors = { "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException" } },
  DisableKey = { text = "Keeps a key from being used, until it is enabled.",
    takes = { "KeyId: string" },
    errors = { "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException", "KMSInvalidStateException" } },
  DisableKeyRotation = { text = "Ends KMS's own rotation of a key.",
    takes = { "KeyId: string" },
    errors = {
      "NotFoundException", "DisabledException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException",
      "KMSInvalidStateException", "UnsupportedOperationException"
    } },
  EnableKey = { text = "Lets a disabled key be used again.",
    takes = { "KeyId: string" },
    errors = {
      "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException", "LimitExceededException",
      "KMSInvalidStateException"
    } },
  EnableKeyRotation = { text = "Has KMS rotate a key's material by itself.",
    takes = { "KeyId: string", "RotationPeriodInDays?: integer" },
    errors = {
      "NotFoundException", "DisabledException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException",
      "KMSInvalidStateException", "UnsupportedOperationException"
    } },
  Encrypt = { text = "Encrypts up to 4096 bytes with a key.",
    takes = {
      "KeyId: string", "Plaintext: string", "EncryptionContext?: table<string, string>", "GrantTokens?: string[]",
      'EncryptionAlgorithm?: "SYMMETRIC_DEFAULT"|"RSAES_OAEP_SHA_1"|"RSAES_OAEP_SHA_256"|"SM2PKE"', "DryRun?: boolean"
    },
    gives = { "CiphertextBlob: string", "KeyId: string", "EncryptionAlgorithm: string" },
    errors = {
      "NotFoundException", "DisabledException", "KeyUnavailableException", "DependencyTimeoutException", "InvalidKeyUsageException",
      "InvalidGrantTokenException", "KMSInternalException", "KMSInvalidStateException", "DryRunOperationException"
    } },
  GenerateDataKey = { text = "A data key, in clear and encrypted with a key.",
    takes = {
      "KeyId: string", "EncryptionContext?: table<string, string>", "NumberOfBytes?: integer", 'KeySpec?: "AES_256"|"AES_128"',
      "GrantTokens?: string[]", "Recipient?: { KeyEncryptionAlgorithm?: string, AttestationDocument?: string }", "DryRun?: boolean"
    },
    gives = { "CiphertextBlob: string", "Plaintext: string", "KeyId: string", "CiphertextForRecipient: string", "KeyMaterialId: string" },
    errors = {
      "NotFoundException", "DisabledException", "KeyUnavailableException", "DependencyTimeoutException", "InvalidKeyUsageException",
      "InvalidGrantTokenException", "KMSInternalException", "KMSInvalidStateException", "DryRunOperationException"
    } },
  GenerateDataKeyWithoutPlaintext = { text = "A data key, encrypted with a key alone.",
    takes = {
      "KeyId: string", "EncryptionContext?: table<string, string>", 'KeySpec?: "AES_256"|"AES_128"', "NumberOfBytes?: integer",
      "GrantTokens?: string[]", "DryRun?: boolean"
    },
    gives = { "CiphertextBlob: string", "KeyId: string", "KeyMaterialId: string" },
    errors = {
      "NotFoundException", "DisabledException", "KeyUnavailableException", "DependencyTimeoutException", "InvalidKeyUsageException",
      "InvalidGrantTokenException", "KMSInternalException", "KMSInvalidStateException", "DryRunOperationException"
    } },
  GetKeyLastUsage = { text = "What a key was last used for, and when.",
    takes = { "KeyId: string" },
    gives = { "KeyId: string", "KeyLastUsage: table", "TrackingStartDate: number", "KeyCreationDate: number" },
    errors = { "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException" } },
  GetKeyPolicy = { text = "A key's policy, as JSON text.",
    takes = { "KeyId: string", "PolicyName?: string" },
    gives = { "Policy: string", "PolicyName: string" },
    errors = { "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException", "KMSInvalidStateException" } },
  GetKeyRotationStatus = { text = "Whether KMS rotates a key by itself, and how often.",
    takes = { "KeyId: string" },
    gives = {
      "KeyRotationEnabled: boolean", "KeyId: string", "RotationPeriodInDays: integer", "NextRotationDate: number",
      "OnDemandRotationStartDate: number"
    },
    errors = {
      "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException", "KMSInvalidStateException",
      "UnsupportedOperationException"
    } },
  GetParametersForImport = { text = "A public key and a token, by which material is imported.",
    takes = {
      "KeyId: string",
      'WrappingAlgorithm: "RSAES_PKCS1_V1_5"|"RSAES_OAEP_SHA_1"|"RSAES_OAEP_SHA_256"|"RSA_AES_KEY_WRAP_SHA_1"|"RSA_AES_KEY_WRAP_SHA_256"|' ..
      '"SM2PKE"', 'WrappingKeySpec: "RSA_2048"|"RSA_3072"|"RSA_4096"|"SM2"'
    },
    gives = { "KeyId: string", "ImportToken: string", "PublicKey: string", "ParametersValidTo: number" },
    errors = {
      "InvalidArnException", "UnsupportedOperationException", "DependencyTimeoutException", "NotFoundException", "KMSInternalException",
      "KMSInvalidStateException"
    } },
  ImportKeyMaterial = { text = "Imports material into a key of origin EXTERNAL.",
    takes = {
      "KeyId: string", "ImportToken: string", "EncryptedKeyMaterial: string", "ValidTo?: number",
      'ExpirationModel?: "KEY_MATERIAL_EXPIRES"|"KEY_MATERIAL_DOES_NOT_EXPIRE"', 'ImportType?: "NEW_KEY_MATERIAL"|"EXISTING_KEY_MATERIAL"',
      "KeyMaterialDescription?: string", "KeyMaterialId?: string"
    },
    gives = { "KeyId: string", "KeyMaterialId: string" },
    errors = {
      "InvalidArnException", "UnsupportedOperationException", "DependencyTimeoutException", "NotFoundException", "KMSInternalException",
      "KMSInvalidStateException", "InvalidCiphertextException", "IncorrectKeyMaterialException", "ExpiredImportTokenException",
      "InvalidImportTokenException"
    } },
  ListAliases = { text = "All aliases of the region, or of one key.",
    takes = { "KeyId?: string" },
    gives = { "Aliases: table[]" },
    errors = { "DependencyTimeoutException", "InvalidMarkerException", "KMSInternalException", "InvalidArnException", "NotFoundException" } },
  ListGrants = { text = "The grants on a key.",
    takes = { "KeyId: string", "GrantId?: string", "GranteePrincipal?: string", "GranteeServicePrincipal?: string" },
    gives = { "Grants: table[]" },
    errors = {
      "NotFoundException", "DependencyTimeoutException", "InvalidMarkerException", "InvalidGrantIdException", "InvalidArnException",
      "KMSInternalException", "KMSInvalidStateException"
    } },
  ListKeyPolicies = { text = "The names of a key's policies: KMS has one, default.",
    takes = { "KeyId: string" },
    gives = { "PolicyNames: string[]" },
    errors = { "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException", "KMSInvalidStateException" } },
  ListKeyRotations = { text = "When a key's material was rotated.",
    takes = { "KeyId: string", 'IncludeKeyMaterial?: "ALL_KEY_MATERIAL"|"ROTATIONS_ONLY"' },
    gives = { "Rotations: table[]" },
    errors = {
      "NotFoundException", "InvalidArnException", "InvalidMarkerException", "KMSInternalException", "KMSInvalidStateException",
      "UnsupportedOperationException"
    } },
  ListKeys = { text = "All keys of the region.",
    takes = { "ResourceOwners?: string[]" },
    gives = { "Keys: table[]" },
    errors = { "DependencyTimeoutException", "KMSInternalException", "InvalidMarkerException" } },
  ListResourceTags = { text = "A key's tags.",
    takes = { "KeyId: string" },
    gives = { "Tags: table[]" },
    errors = { "KMSInternalException", "NotFoundException", "InvalidArnException", "InvalidMarkerException" } },
  PutKeyPolicy = { text = "Replaces a key's policy.",
    takes = { "KeyId: string", "Policy: string", "PolicyName?: string", "BypassPolicyLockoutSafetyCheck?: boolean" },
    errors = {
      "NotFoundException", "InvalidArnException", "MalformedPolicyDocumentException", "DependencyTimeoutException",
      "UnsupportedOperationException", "KMSInternalException", "LimitExceededException", "KMSInvalidStateException"
    } },
  ReEncrypt = { text = "Decrypts with one key and encrypts with another, inside KMS.",
    takes = {
      "DestinationKeyId: string", "CiphertextBlob?: string", "SourceEncryptionContext?: table<string, string>", "SourceKeyId?: string",
      "DestinationEncryptionContext?: table<string, string>",
      'SourceEncryptionAlgorithm?: "SYMMETRIC_DEFAULT"|"RSAES_OAEP_SHA_1"|"RSAES_OAEP_SHA_256"|"SM2PKE"',
      'DestinationEncryptionAlgorithm?: "SYMMETRIC_DEFAULT"|"RSAES_OAEP_SHA_1"|"RSAES_OAEP_SHA_256"|"SM2PKE"', "GrantTokens?: string[]",
      "DryRun?: boolean", "DryRunModifiers?: string[]"
    },
    gives = {
      "CiphertextBlob: string", "SourceKeyId: string", "KeyId: string", "SourceEncryptionAlgorithm: string",
      "DestinationEncryptionAlgorithm: string", "SourceKeyMaterialId: string", "DestinationKeyMaterialId: string"
    },
    errors = {
      "NotFoundException", "DisabledException", "InvalidCiphertextException", "KeyUnavailableException", "IncorrectKeyException",
      "DependencyTimeoutException", "InvalidKeyUsageException", "InvalidGrantTokenException", "KMSInternalException", "KMSInvalidStateException",
      "DryRunOperationException"
    } },
  ReplicateKey = { text = "Makes a replica of a multi-Region key in another region.",
    takes = {
      "KeyId: string", "ReplicaRegion: string", "Policy?: string", "BypassPolicyLockoutSafetyCheck?: boolean", "Description?: string",
      "Tags?: { TagKey: string, TagValue: string }[]"
    },
    gives = { "ReplicaKeyMetadata: table", "ReplicaPolicy: string", "ReplicaTags: table[]" },
    errors = {
      "AlreadyExistsException", "DisabledException", "InvalidArnException", "KMSInvalidStateException", "KMSInternalException",
      "LimitExceededException", "MalformedPolicyDocumentException", "NotFoundException", "TagException", "UnsupportedOperationException"
    } },
  RotateKeyOnDemand = { text = "Rotates a key's material now; 25 times in its life.",
    takes = { "KeyId: string" },
    gives = { "KeyId: string" },
    errors = {
      "NotFoundException", "DisabledException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException",
      "KMSInvalidStateException", "UnsupportedOperationException", "LimitExceededException", "ConflictException"
    } },
  ScheduleKeyDeletion = { text = "Deletes a key after 7 to 30 days; until then it can be cancelled.",
    takes = { "KeyId: string", "PendingWindowInDays?: integer" },
    gives = { "KeyId: string", "DeletionDate: number", "KeyState: string", "PendingWindowInDays: integer" },
    errors = { "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException", "KMSInvalidStateException" } },
  TagResource = { text = "Adds tags to a key, or changes them.",
    takes = { "KeyId: string", "Tags: { TagKey: string, TagValue: string }[]" },
    errors = {
      "KMSInternalException", "NotFoundException", "InvalidArnException", "KMSInvalidStateException", "LimitExceededException", "TagException"
    } },
  UntagResource = { text = "Takes tags off a key.",
    takes = { "KeyId: string", "TagKeys: string[]" },
    errors = { "KMSInternalException", "NotFoundException", "InvalidArnException", "KMSInvalidStateException", "TagException" } },
  UpdateAlias = { text = "Points an alias to another key.",
    takes = { "AliasName: string", "TargetKeyId: string" },
    errors = { "DependencyTimeoutException", "NotFoundException", "KMSInternalException", "LimitExceededException", "KMSInvalidStateException" } },
  UpdateKeyDescription = { text = "Changes a key's description.",
    takes = { "KeyId: string", "Description: string" },
    errors = { "NotFoundException", "InvalidArnException", "DependencyTimeoutException", "KMSInternalException", "KMSInvalidStateException" } },
  UpdatePrimaryRegion = { text = "Makes a replica the primary of its multi-Region key.",
    takes = { "KeyId: string", "PrimaryRegion: string" },
    errors = {
      "DisabledException", "InvalidArnException", "KMSInvalidStateException", "KMSInternalException", "NotFoundException",
      "UnsupportedOperationException"
    } },
}
