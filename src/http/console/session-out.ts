import Type, { type Static } from 'typebox';

const KEY_CHARACTERS = 512;

/** Either a key, or the code of a link. */
export const SignIn = Type.Union([
  Type.Object({ key: Type.String({ maxLength: KEY_CHARACTERS }) }, { additionalProperties: false }),
  Type.Object({ code: Type.String({ maxLength: KEY_CHARACTERS }) }, { additionalProperties: false }),
]);

export const SignOut = Type.Object({ everywhere: Type.Boolean() }, { additionalProperties: false });

export const SessionOut = Type.Object({
  role: Type.Enum(['operator', 'company']),
  /** As `model/key.ts` has them; null: everything that is the role's own. */
  capabilities: Type.Union([Type.Array(Type.String()), Type.Null()]),
  /** Of a company; an operator chooses one. */
  application: Type.Union([
    Type.Object({
      id: Type.String(),
      number: Type.Integer(),
      uid: Type.Union([Type.String(), Type.Null()]),
      name: Type.String(),
    }),
    Type.Null(),
  ]),
  /** What the key is called that this was begun with. */
  keyName: Type.String(),
  expiresAt: Type.String({ format: 'date-time' }),
  version: Type.String(),
});
export type SessionOut = Static<typeof SessionOut>;
