/** The guest's own word on why it did not do something. Mapped to an error of the catalogue before it leaves this package. */
export class GuestRefusal extends Error {
  override readonly name = "GuestRefusal";
  /** An errno, or a status of the protocol. */
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}
